"""`2lbms ask`: a person's request to a node, through the running gateway."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from twolbms.cli.errors import BAD_INPUT, DIFFERS, FINE
from twolbms.cli.gateway_option import find_gateway, gateway_options
from twolbms.diagnoses import DIAGNOSES
from twolbms.outlets.local_client import GatewayAbsentError, LocalClient

WHAT = ("open", "close", "clear", "allowance", "confirm-open")


@click.command("ask")
@click.argument("pack")
@click.argument("what", type=click.Choice(WHAT))
@click.option("--limit", type=click.Choice(sorted(DIAGNOSES)), metavar="NAME",
              help="clear: only this limit; without it all that are latched.")
@click.option("--charge-a", type=click.FloatRange(min=0), help="allowance: at most this charge current, A.")
@click.option("--discharge-a", type=click.FloatRange(min=0), help="allowance: at most this discharge current, A.")
@gateway_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def ask_command(pack: str, what: str, limit: str | None, charge_a: float | None, discharge_a: float | None,
                site_file: Path | None, socket_path: Path | None, as_json: bool) -> int:
    """Ask the node of PACK for something, and wait for its answer.

    open holds until somebody asks for close. close and clear are done only when their cause is gone and the hold time
    is over. allowance lets less current flow, for a while. confirm-open: you stand at the enclosure of a silent node
    and have seen that it is open. Exit status 0: accepted; 1: refused, with the reason; 2: nobody to ask, or
    no such pack.
    """
    details = {"limit": limit, "charge_a": charge_a, "discharge_a": discharge_a}
    try:
        client = LocalClient(find_gateway(site_file, socket_path).socket)
        answer = client.ask(pack, what, **{name: value for name, value in details.items() if value is not None})
    except GatewayAbsentError as error:
        answer = {"error": str(error)}
    click.echo(json.dumps(answer) if as_json else _told(answer), err="error" in answer and not as_json)
    if "error" in answer:
        return BAD_INPUT
    return FINE if answer["accepted"] else DIFFERS


def _told(answer: dict[str, Any]) -> str:
    if "error" in answer:
        return f"2lbms: {answer['error']}"
    return f"{answer['pack']} {answer['what']}: {answer['text']}"
