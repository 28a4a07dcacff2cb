"""`2lbms scenario`: plays stories on the node's real firmware and says whether they hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from twolbms.build.image import BuildError
from twolbms.build.micropython import RuntimeMissing
from twolbms.cli.errors import BAD_INPUT, DIFFERS, FINE
from twolbms.cli.scenario_from import PlayOrFrom
from twolbms.config.errors import ConfigError
from twolbms.scenario.play import Played, play_file


@click.command("scenario", cls=PlayOrFrom)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--on", "runtime", type=click.Choice(["cpython", "micropython", "qemu"]), default="cpython",
              show_default=True,
              help="What runs the firmware; MicroPython, in qemu on a Cortex-M3, runs with its heap locked.")
@click.option("--frames", is_flag=True, help="Print every frame the node sends, cycle by cycle.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def scenario_command(files: tuple[Path, ...], runtime: str, frames: bool, as_json: bool) -> int:
    """Play scenario FILES on the node's real code.

    Exit status 0: every expectation held. 1: one did not; the first difference is printed. 2: a file is wrong. Of
    several files the worst counts.

    2lbms scenario from JOURNAL makes a scenario of a recording: see 2lbms scenario from --help.
    """
    told = [_play(file, runtime, frames) for file in files]
    if as_json:
        click.echo(json.dumps({"runtime": runtime, "scenarios": told}))
    else:
        for one in told:
            _print(one)
    return max((int(one["status"]) for one in told), default=FINE)


def _play(file: Path, runtime: str, frames: bool) -> dict[str, Any]:
    try:
        played = play_file(file, runtime, keep_log=frames)
    except (BuildError, ConfigError, RuntimeMissing) as error:
        told = {"file": str(file), "status": BAD_INPUT}
        if isinstance(error, ConfigError):
            return {**told, "error": str(error), "problems": error.as_json()["problems"]}
        return {**told, "error": f"{file}: {error}"}
    return _told(file, played, frames)


def _told(file: Path, played: Played, frames: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"file": str(file), "status": DIFFERS if played.difference else FINE,
                            "cycles": played.cycles, "expectations": played.expectations}
    if played.difference:
        told["difference"] = {**played.difference._asdict(), "text": str(played.difference)}
    if frames:
        told["frames"] = [[f"{can_id:08X}#{data.hex().upper()}" for can_id, data in one.frames] for one in played.log]
    return told


def _print(told: dict[str, Any]) -> None:
    if "error" in told:
        click.echo(told["error"], err=True)
        return
    for number, sent in enumerate(told.get("frames", [])):
        click.echo(f"cycle {number}: {' '.join(sent)}")
    if "difference" in told:
        click.echo(f"differs  {told['file']}: {told['difference']['text']}")
    else:
        click.echo(f"holds    {told['file']}: {told['expectations']} expectations in {told['cycles']} cycles")
