"""A real InfluxDB 2 for a demonstration: found, started on the loopback, made ready with the gateway's token."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

from twolbms.build.micropython import cache_folder
from twolbms.demo.parts import Part, Parts
from twolbms.demo.setup import SITE, Places
from twolbms.outlets.influx_setup import SetupFailed, SetupPlan, set_up
from twolbms.outlets.influx_target import InfluxTarget

_ORG, _BUCKET = "demo", "bms"
_READY_WITHIN_S = 60.0


class InfluxMissing(Exception):
    """There is no server to start; the text says how to get one."""


def find_server() -> Path:
    """The server program: TWOLBMS_INFLUXD, what `make servers` built, or one on the path. InfluxMissing when none."""
    candidates = (os.environ.get("TWOLBMS_INFLUXD"), str(cache_folder() / "influxd-2.7.12" / "influxd"),
                  shutil.which("influxd"))
    for candidate in candidates:
        if candidate and os.access(candidate, os.X_OK) and Path(candidate).is_file():
            return Path(candidate)
    raise InfluxMissing("no InfluxDB server here: type `make servers` in the project's folder (it builds one in some "
                        "minutes), or set TWOLBMS_INFLUXD to an influxd of version 2")


@dataclass(frozen=True, slots=True)
class InfluxServer:
    """One server with its data below the demonstration's folder."""

    program: Path
    places: Places

    async def start(self, parts: Parts) -> str:
        """Starts it and sets it up; the `influxdb:` section of the site file. SetupFailed when that cannot be done."""
        folder = self.places.folder / "influxdb"
        folder.mkdir(parents=True, exist_ok=True)
        port = _free_port()
        part = parts.add(Part("influxd", [
            str(self.program), "--bolt-path", str(folder / "bolt"), "--sqlite-path", str(folder / "sqlite"),
            "--engine-path", str(folder / "engine"), "--http-bind-address", f"127.0.0.1:{port}", "--log-level", "warn"],
            self.places.log("influxd"), environment={"INFLUXD_REPORTING_DISABLED": "true"}))
        await part.start()
        await self._ready(part, port)
        target = InfluxTarget(SITE, f"http://127.0.0.1:{port}", _ORG, _BUCKET, folder / "write-token")
        plan = SetupPlan(target, folder / "admin-token", folder / "read-token", retention_s=0)
        steps = await asyncio.to_thread(set_up, plan)
        if failed := [step.text for step in steps if not step.good]:
            raise SetupFailed("; ".join(failed))
        return (f"influxdb: {{url: \"{target.url}\", org: {_ORG}, bucket: {_BUCKET}, minutes: null, "
                f"token_file: {json.dumps(str(target.token_file))}}}\n")

    @staticmethod
    async def _ready(part: Part, port: int) -> None:
        end_s = asyncio.get_running_loop().time() + _READY_WITHIN_S
        while not await _healthy(port):
            if not part.running or asyncio.get_running_loop().time() > end_s:
                raise part.failure()
            await asyncio.sleep(0.2)


async def _healthy(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /health HTTP/1.0\r\n\r\n")
        status = await asyncio.wait_for(reader.readline(), 5.0)
        writer.close()
    except (OSError, TimeoutError):
        return False
    return b" 200 " in status


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
