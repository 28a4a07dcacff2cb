"""A site of its own in a folder, and the `2lbms run` processes in it: started, killed, asked, listened to."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from faults.feeder import dbc_text
from twolbms.build.children import dies_with
from twolbms.clock import StoryClock
from twolbms.journal import JournalReader
from twolbms.outlets.local_client import GatewayAbsentError, LocalClient

UP_WITHIN_S = 60.0
WITHIN_S = 60.0
LOOK_S = 0.05

Json = dict[str, Any]


class NeverHappened(AssertionError):
    """What was waited for did not come about; the text says what it was."""


def wait_until(happened: Callable[[], object], what: str, within_s: float = WITHIN_S, look_s: float = LOOK_S) -> float:
    """Looks again and again; the seconds it took. NeverHappened after `within_s`."""
    began_s = time.monotonic()
    while not happened():
        if time.monotonic() - began_s > within_s:
            raise NeverHappened(f"{what}: not within {within_s:.0f} s")
        time.sleep(look_s)
    return time.monotonic() - began_s


@dataclass
class Site:
    """What the site file says. `packs` are node numbers; `journal` defaults to the run folder's own."""

    port: int
    influx_url: str | None = None
    bucket: str = "bms"
    org: str = "home"
    token_file: Path | None = None
    timeout_s: float = 10.0
    journal: Path | None = None
    decoded: bool = False
    packs: tuple[int, ...] = (1,)
    more: str = ""

    def text(self, folder: Path) -> str:
        """The file; a token and a DBC are laid beside it."""
        dbc = ""
        if self.decoded:
            (folder / "numbered.dbc").write_text(dbc_text())
            dbc = ", dbc: [numbered.dbc]"
        lines = ["site: home",
                 f"buses: [{{name: can0, interface: slcan, channel: 'socket://127.0.0.1:{self.port}'{dbc}}}]", "packs:",
                 *(f"  - {{name: {pack_name(node)}, type: lfp_8s_320ah, node: {node}, bus: can0, soc: 0.5}}"
                   for node in self.packs)]
        if self.journal:
            lines.append(f"journal: {{folder: {json.dumps(str(self.journal))}}}")
        if self.influx_url:
            token = self.token_file or folder / "token"
            if not token.exists():
                token.write_text("secret")
            lines.append(f"influxdb: {{url: '{self.influx_url}', org: {self.org}, bucket: {self.bucket}, "
                         f"token_file: {json.dumps(str(token))}, timeout_s: {self.timeout_s}}}")
        return "\n".join([*lines, self.more, ""])


def pack_name(node: int) -> str:
    """The pack of a node."""
    return {1: "north", 2: "south"}.get(node, f"pack-{node}")


class Home:
    """The folder. `clock` is the story that all gateways in it live in, None for the machine's own clock."""

    def __init__(self, folder: Path, site: Site, clock: StoryClock | None = None) -> None:
        self.folder, self.site, self.clock = folder, site, clock
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "site.yaml").write_text(site.text(folder))
        self.journal = site.journal or folder / "run" / "journal"
        self.log = folder / "gateway.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.client = LocalClient(folder / "run" / "2lbms.sock")

    def __enter__(self) -> Home:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.kill()

    # --- life and death ---

    def start(self, environment: Mapping[str, str] | None = None, *, wrapper: tuple[str, ...] = ()) -> None:
        """Starts a gateway without waiting for anything."""
        clock = ["--clock", self.clock.text()] if self.clock else []
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*wrapper, sys.executable, "-m", "twolbms", "run", "site.yaml", *clock], cwd=self.folder,
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})},
                preexec_fn=dies_with(os.getpid()))

    def up(self) -> bool:
        """Whether a gateway answers; raises when it has ended by itself."""
        if self.process is not None and self.process.poll() is not None:
            raise RuntimeError(f"the gateway ended with status {self.process.returncode}: {self.last_words()}")
        try:
            self.client.snapshot()
        except GatewayAbsentError:
            return False
        return True

    def started(self, environment: Mapping[str, str] | None = None, *, wrapper: tuple[str, ...] = ()) -> Home:
        """Starts a gateway and waits until it answers."""
        self.start(environment, wrapper=wrapper)
        wait_until(self.up, "the gateway answers", UP_WITHIN_S, 0.02)
        return self

    def kill(self) -> None:
        """kill -9, and waits for the end."""
        if self.process is not None:
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> int:
        """SIGTERM, as systemd does; the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(WITHIN_S)
        self.process = None
        return status

    def last_words(self) -> str:
        """The end of the gateway's log."""
        return self.log.read_text(errors="replace")[-1500:]

    def complaints(self) -> list[str]:
        """Lines of the log that a healthy gateway does not write: mistakes of ours that escaped."""
        return [line for line in self.log.read_text(errors="replace").splitlines()
                if "Traceback" in line or "a turn of the gateway failed" in line or "Fatal" in line]

    # --- what it says ---

    def picture(self) -> Json:
        """The snapshot of now; an empty one when nobody answers."""
        try:
            return self.client.snapshot()
        except GatewayAbsentError:
            return {}

    def shows(self, wanted: Callable[[Json], object], what: str, within_s: float = WITHIN_S) -> Json:
        """The first snapshot that is as wanted."""
        found: list[Json] = []

        def look() -> bool:
            picture = self.picture()
            if picture and wanted(picture):
                found.append(picture)
            return bool(found)

        wait_until(look, what, within_s)
        return found[0]

    def alarms(self) -> list[str]:
        """The texts of the standing alarms."""
        return [alarm["text"] for alarm in self.picture().get("alarms", [])]

    def reader(self) -> JournalReader:
        """A reader of the journal."""
        return JournalReader(self.journal)


def charge_allowed(picture: Json, pack: str = "north") -> float:
    """What the pack may be charged with now, A."""
    return float(picture["packs"][pack]["allowance"]["charge_a"] or 0.0)


def may_charge(picture: Json) -> bool:
    """Whether every pack may be charged."""
    return all(charge_allowed(picture, pack) > 0 for pack in picture["packs"])


class AckListener:
    """Follows the acknowledgements over all lives of the gateways in a home; each line stands in `lines` at once."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self.lines: list[tuple[int, list[Any]]] = []  # with the wall offset of that life
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            clock = self._home.clock
            offset_ns = clock.wall_offset_ns if clock is not None and clock.wall_offset_ns is not None else 0
            with contextlib.suppress(GatewayAbsentError, OSError, ValueError):
                for line in self._home.client.acknowledgements():
                    if isinstance(line, list):
                        self.lines.append((offset_ns, line))
            self._stop.wait(0.01)

    def stop(self) -> None:
        """Ends with the connection that it has."""
        self._stop.set()
