"""`2lbms influx`: makes the site's database ready, says whether it is, and asks it a question."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import click

from twolbms.cli.errors import DIFFERS, FINE
from twolbms.config.errors import ConfigError
from twolbms.config.influx import InfluxSection
from twolbms.config.site import Site, load_site
from twolbms.config.site_packs import load_site_and_packs
from twolbms.outlets.influx_check import Step, check
from twolbms.outlets.influx_setup import SetupFailed, plan_of, query_influxql, set_up
from twolbms.outlets.influx_target import TokenUnreadable, minutes_target_of, read_token, target_of

_SITE = click.argument("site", type=click.Path(path_type=Path))
_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")


@click.group("influx")
def influx_command() -> None:
    """The InfluxDB that a site file names: make it ready, look whether it is, ask it a question.

    The gateway itself needs none of this to record: its journal does. Exit status 0: fine; 1: something is wrong with
    the server or a token; 2: something is wrong with the site file.
    """


def _telling_failure(command: Callable[..., int]) -> Callable[..., int]:
    """A server that cannot be used is one line and exit status 1."""
    @wraps(command)
    def told(*arguments: Any, as_json: bool = False, **options: Any) -> int:
        try:
            return command(*arguments, as_json=as_json, **options)
        except (SetupFailed, TokenUnreadable) as error:
            click.echo(json.dumps({"ok": False, "error": str(error)}) if as_json else str(error), err=not as_json)
            return DIFFERS
    return told


@influx_command.command("setup")
@_SITE
@_JSON
@_telling_failure
def setup_command(site: Path, as_json: bool) -> int:
    """Make the database of SITE ready: organisation, buckets with their retention, InfluxQL names, tokens.

    Do it as often as you like: what is right already stays as it is, also the tokens. On an empty server the user
    `admin` is made too. Each token goes into a file that only its owner can read: one for the gateway, which may only
    write the site's buckets, and one for Grafana, which may only read them.
    """
    return _tell(set_up(plan_of(*_site(site))), as_json)


@influx_command.command("check")
@_SITE
@_JSON
@_telling_failure
def check_command(site: Path, as_json: bool) -> int:
    """Say whether the database of SITE answers, is well, and lets the gateway write. Writes nothing."""
    return _tell(check(target_of(*_site(site)), minutes_target_of(*_site(site))), as_json)


@influx_command.command("query")
@_SITE
@click.argument("influxql")
@_JSON
@_telling_failure
def query_command(site: Path, influxql: str, as_json: bool) -> int:
    """Ask the database of SITE one question in InfluxQL, with the token that is meant for Grafana.

    For example: 2lbms influx query site.yaml 'SELECT last("soc") FROM "pack" GROUP BY "pack"'
    """
    plan = plan_of(*_site(site))
    results = query_influxql(plan.target, read_token(plan.read_token_file), influxql)
    if as_json:
        click.echo(json.dumps({"ok": True, "results": results}))
        return FINE
    for result in results:
        if "error" in result:
            raise SetupFailed(result["error"])
        for series in result.get("series", []):
            _print_series(series)
    return FINE


@influx_command.command("series")
@_SITE
@_JSON
@_telling_failure
def series_command(site: Path, as_json: bool) -> int:
    """Count the series that SITE makes in its database, by measurement. Asks no server.

    Events come on top: one series a kind, limit and tier that ever happened.
    """
    from twolbms.outlets.influx_series import series_of
    from twolbms.site_databases import site_databases
    loaded, types = load_site_and_packs(site)
    rows = series_of(loaded, types, site_databases(loaded))
    if as_json:
        click.echo(json.dumps({"ok": True, "measurements": [row._asdict() for row in rows]}))
        return FINE
    for row in rows:
        click.echo(f"{row.measurement:<24} {row.series:>6} series, one {row.each}, up to {row.fields} fields")
    click.echo(f"{'in all':<24} {sum(row.series for row in rows):>6} series; the minute values make as many again")
    return FINE


def _site(path: Path) -> tuple[Site, InfluxSection]:
    site = load_site(path)
    if site.influxdb is None:
        raise ConfigError([site.problem((), "this site has no database: expected a section influxdb")])
    return site, site.influxdb


def _tell(steps: Sequence[Step], as_json: bool) -> int:
    good = all(step.good for step in steps)
    if as_json:
        click.echo(json.dumps({"ok": good, "steps": [step._asdict() for step in steps]}))
    else:
        for step in steps:
            click.echo(f"{'new  ' if step.changed else 'ok   ' if step.good else 'WRONG'} {step.text}")
    return FINE if good else DIFFERS


def _print_series(series: dict[str, Any]) -> None:
    tags = ", ".join(f"{key}={value}" for key, value in series.get("tags", {}).items())
    click.echo(f"# {series['name']} {tags}".rstrip())
    click.echo("\t".join(series["columns"]))
    for row in series["values"]:
        click.echo("\t".join("" if value is None else str(value) for value in row))
