"""An slcan adapter on a TCP port with nodes behind it, in a thread: what a gateway process sees as its bus."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable
from types import TracebackType

from twolbms.wire import BusFrame
from voices.node_voice import NodeVoice

CYCLE_S = 0.1


class BusAdapter:
    """Serves one client after the other; `voices` speak each 100 ms. `got` are the frames the client sent."""

    def __init__(self, *voices: NodeVoice) -> None:
        self.voices = voices
        self.got: list[BusFrame] = []
        self.answering: Callable[[BusFrame], Iterable[BusFrame]] = lambda frame: ()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._stop = threading.Event()
        self._client: socket.socket | None = None
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._serve, self._speak)]

    def __enter__(self) -> BusAdapter:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._stop.set()
        self.pull()
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for thread in self._threads:
            thread.join(5)

    def pull(self) -> None:
        """Cuts the connection, as if the stick were pulled."""
        if self._client is not None:
            with contextlib.suppress(OSError):
                self._client.shutdown(socket.SHUT_RDWR)

    def wait_for(self, found: Callable[[], object], within_s: float = 15.0) -> None:
        """Waits until `found` holds; it is looked at whenever the client sends something."""
        with self._changed:
            assert self._changed.wait_for(found, within_s)

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            for voice in self.voices:
                voice.cycle_number = 97  # the node's NodeInfo, due each 10 s, happens to be due soon
            self._client = client
            rest = b""
            with contextlib.suppress(OSError):
                while data := client.recv(4096):
                    *lines, rest = (rest + data).split(b"\r")
                    for line in lines:
                        self._take(line)
            self._client = None
            client.close()

    def _take(self, line: bytes) -> None:
        if not line.startswith(b"T"):
            return
        frame = BusFrame("can0", int(line[1:9], 16), True, bytes.fromhex(line[10:].decode()))
        with self._changed:
            self.got.append(frame)
            self._changed.notify_all()
        self._write(self.answering(frame))

    def _speak(self) -> None:
        while not self._stop.wait(CYCLE_S):
            for voice in self.voices:
                self._write(voice.cycle())

    def _write(self, frames: Iterable[BusFrame]) -> None:
        text = b"".join(b"T%08X%d%s\r" % (f.can_id, len(f.data), f.data.hex().upper().encode()) for f in frames)
        client = self._client
        if client is not None and text:
            with contextlib.suppress(OSError):
                client.sendall(text)
