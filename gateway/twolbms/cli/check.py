"""`2lbms check`: says whether a site file or a pack's YAML is right, and in short what it means."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from twolbms.cli.errors import BAD_INPUT, FINE
from twolbms.config.errors import ConfigError
from twolbms.config.pack import GuardedPack
from twolbms.config.path_state import Closed, state_of
from twolbms.config.site import Site
from twolbms.config.site_packs import load_guarded_pack, load_site_and_packs
from twolbms.config.strict_yaml import read_document
from twolbms.site_databases import site_databases


@click.command("check")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output, also for problems.")
def check_command(file: Path, as_json: bool) -> int:
    """Check a site FILE with the packs it names, or a pack's own YAML.

    Each problem is one line: file, line, column, key, what was expected and what was found. Exit status 0: right;
    2: not.
    """
    try:
        told = _pack_told(file) if _is_pack(file) else _site_told(file)
    except ConfigError as error:
        if not as_json:
            raise
        click.echo(json.dumps(error.as_json()))
        return BAD_INPUT
    click.echo(json.dumps(told) if as_json else "\n".join(_lines(told)))
    return FINE


def _is_pack(file: Path) -> bool:
    data = read_document(file).data
    return "pack" in data and "site" not in data


def _pack_told(file: Path) -> dict[str, Any]:
    return {"ok": True, "file": str(file), **_type_told(load_guarded_pack(file))}


def _site_told(file: Path) -> dict[str, Any]:
    site, types = load_site_and_packs(file)
    return {
        "ok": True, "file": str(file), "site": site.site,
        "buses": {bus.name: f"{bus.interface} {bus.channel}, {bus.bitrate // 1000} kbit/s" for bus in site.buses},
        "dbc": {bus: sum(len(database.messages) for database in databases)
                for bus, databases in site_databases(site).items()},
        "devices": {device.name: f"{device.kind} on {device.port}" for device in site.devices},
        "packs": {entry.name: entry.model_dump(include={"node", "bus", "serial", "keep_closed"})
                  | _type_told(types[entry.name]) for entry in site.packs},
        "banks": {name: list(packs) for name, packs in site.pack_names_by_bank.items()},
        "journal": str(site.journal_folder), "socket": str(site.socket),
        "influxdb": site.influxdb and f"{site.influxdb.url}, bucket {site.influxdb.bucket}",
        "notes": list(_notes(site)),
    }


def _type_told(pack: GuardedPack) -> dict[str, Any]:
    (charge_a, charge_part), (discharge_a, discharge_part) = pack.continuous_a(True), pack.continuous_a(False)
    return {"type": pack.pack, "title": pack.title, "charge_a": charge_a, "charge_set_by": charge_part,
            "discharge_a": discharge_a, "discharge_set_by": discharge_part, "close_alone": pack.close_alone}


def _notes(site: Site) -> Iterator[str]:
    """What is right in the file and still will not work yet."""
    named = site.influxdb and site.influxdb.token_file
    if not named:
        return
    token = site.beside(named)
    if isinstance(state := state_of(token), Closed):
        yield f"influxdb.token_file: {token} cannot be seen from here: {state}"
    elif state == "absent" or not token.is_file():
        yield f"influxdb.token_file: {token} does not exist yet; `2lbms influx setup` makes it"


def _lines(told: dict[str, Any]) -> Iterator[str]:
    yield f"{told['file']} is right."
    if "site" not in told:
        yield from _pack_lines("type", told)
        return
    yield f"  site     {told['site']}"
    for name, text in told["buses"].items():
        yield f"  bus      {name}: {text}"
        if name in told["dbc"]:
            yield f"  {'':8} every signal of {told['dbc'][name]} messages is recorded"
    for name, text in told["devices"].items():
        yield f"  device   {name}: {text}"
    for name, pack in told["packs"].items():
        serial = f", serial {pack['serial']}" if pack["serial"] else ""
        closing = ", kept closed" if pack["keep_closed"] else ""
        yield f"  pack     {name}: node {pack['node']} on {pack['bus']}{serial}{closing}"
        yield from _pack_lines("", pack)
    for name, packs in told["banks"].items():
        yield f"  bank     {name}: {', '.join(packs)}"
    yield f"  journal  {told['journal']}"
    if told["influxdb"]:
        yield f"  influxdb {told['influxdb']}"
    yield from (f"note: {note}" for note in told["notes"])


def _pack_lines(label: str, pack: dict[str, Any]) -> Iterator[str]:
    yield f"  {label:8} {pack['type']}: {pack['title']}"
    yield (f"  {'':8} at most {pack['charge_a']:g} A charge ({pack['charge_set_by']}), "
           f"{pack['discharge_a']:g} A discharge ({pack['discharge_set_by']})")
