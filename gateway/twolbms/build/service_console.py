"""Orders to a node in service, answered by its own modules: configuration, readings, one output at a time.

What answers on the node (`firmware/src/store/service.py` and `bench.py`) is brought along and stays in its memory: no
version carries it. What it builds on, such as the form of the configuration, is the version's that lies there.
"""

from __future__ import annotations

import ast
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from twolbms.build.flash import without_words
from twolbms.build.fold import folded
from twolbms.build.node_port import NodePort, PortError
from twolbms.build.service_state import NotInServiceError, Say, ServiceState
from twolbms.files import data_path

_MOUNT = """
import sys, vfs
import safe, slot_record, slots, version
def _mounted():
    record = slot_record.load()
    for slot in (record.kept, record.slot):
        if slot != slot_record.NONE:
            one = version.look(slot_record.path(slot))
            if one and one.fits(safe.BOARD):
                if sys.path[0] != "/s":
                    vfs.mount((getattr(slots, "modules", None) or slots._modules)(slot, one), "/s")
                    sys.path.insert(0, "/s")
                return one
one = _mounted()
print(None if one is None else (safe.BOARD.decode(), one.pack.decode(), tuple(one.firmware), tuple(one.limits)))
"""


class OrderRefusedError(Exception):
    """The node refuses an order; `why` is its word for the reason, the text its sentence."""

    def __init__(self, why: str, text: str) -> None:
        super().__init__(text)
        self.why = why


@dataclass(frozen=True)
class Version:
    """What lies on the node; `limit_hash` as NodeInfo tells it, eight hexadecimal digits."""

    board: str
    pack: str
    firmware: str
    limit_hash: str


class ServiceConsole:
    """One node over one port. `say` gets a line for each step on the way; `sleep` and `clock` are time's."""

    def __init__(self, port: NodePort, say: Say, sleep: Callable[[float], None] = time.sleep,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._port = port
        self._say = say
        self._service = ServiceState(port, say, sleep, clock)

    def begin(self) -> Version:
        """Into service, outputs measured open, ready for orders. Raises NotInServiceError or PortError."""
        self._service.enter()
        self._service.confirm_open()
        told = self._port.run(_MOUNT).strip()
        if told == "None":
            raise NotInServiceError("no whole version lies on this node: flash one first (2lbms node flash)")
        board, pack, firmware, limits = ast.literal_eval(told)
        self._bring(board)
        version = Version(board, pack, ".".join(map(str, firmware)), bytes(limits)[::-1].hex().upper())
        self._say(f"{version.board}, firmware {version.firmware} for {version.pack}, limits {version.limit_hash}")
        return version

    def _bring(self, board: str) -> None:
        try:
            for text in brought(board):
                self._port.run(text.decode())
        except PortError as error:
            last = (str(error).strip().splitlines() or ["nothing"])[-1]
            raise NotInServiceError(f"the version on this node does not work with this tool: {last}") from None

    def order(self, do: str, **more: Any) -> dict[str, Any]:
        """The node's answer. Raises OrderRefusedError with its words, or PortError when it is silent."""
        line = json.dumps({"do": do, **more})
        told = self._port.run(f"answer({line!r})")
        try:
            answer: dict[str, Any] = json.loads(told)
        except ValueError:
            raise PortError(f"the node's answer is none: {told[:80]!r}") from None
        if answer.get("ok") is not True:
            raise OrderRefusedError(str(answer.get("why")), str(answer.get("text")))
        return answer

    def leave(self) -> None:
        """Resets the node, outputs open: what was saved counts from now on."""
        self._port.leave("import safe\nsafe.drop()\nsafe.reset()")


@cache
def brought(board: str) -> tuple[bytes, ...]:
    """The modules that are run at the prompt, in this order, without comments. A board may lack its bench.

    Constants are written in: a version of the application keeps none that only others import.
    """
    texts = _sources()
    own = data_path("firmware", "boards", board)
    bench = [path for path in (own / "service_board.py",) if path.is_file()]
    if not bench and (own / "board.py").is_file():
        bench = [data_path("firmware", "src", "store", "real_bench.py")]
    texts["service_board"] = bench[0].read_text(encoding="utf-8") if bench else ""
    done = folded(texts)
    names = ["store.service", "store.bench", *(["service_board"] if bench else []), "store.prompt"]
    return tuple(without_words(done[name]) for name in names)


def _sources() -> dict[str, str]:
    """Dotted name and text of what the modules at the prompt may take constants from."""
    source = data_path("firmware", "src")
    return {f"{room}.{path.stem}": path.read_text(encoding="utf-8")
            for room in ("generated", "node", "store") for path in sorted((source / room).glob("*.py"))}
