"""The options by which a command finds a running gateway: `--socket PATH` or `--site site.yaml`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click

from twolbms.config.site import SOCKET_NAME, load_site

SITE_HERE = Path("site.yaml")
SOCKET_OF_A_SERVICE = Path("/run/twolbms") / SOCKET_NAME


class Gateway(NamedTuple):
    """Where a gateway listens, and where its journal lies when a site file says so."""

    socket: Path
    journal: Path | None


def gateway_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --socket and --site to a command; `find_gateway` takes their values."""
    site = click.option("--site", "site_file", type=click.Path(path_type=Path), help=(
        "The gateway's site file; default: site.yaml here, if there is one."))
    socket = click.option("--socket", "socket_path", type=click.Path(path_type=Path), help=(
        f"The gateway's local socket; default: the site's, else {SOCKET_OF_A_SERVICE}."))
    return site(socket(command))


def find_gateway(site_file: Path | None, socket_path: Path | None) -> Gateway:
    """The gateway that the options name. Raises ConfigError for a site file that is not right."""
    if socket_path is not None and site_file is None:
        return Gateway(socket_path, None)
    if site_file is None and not SITE_HERE.is_file():
        return Gateway(SOCKET_OF_A_SERVICE, None)
    site = load_site(site_file or SITE_HERE)
    return Gateway(socket_path or site.socket, site.journal_folder)
