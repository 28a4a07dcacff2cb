"""A site in a folder of its own, and machines that are only files."""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import tempfile
import threading
import tty
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from twolbms.doctor.machine import Machine
from twolbms.doctor.rules import Finding
from twolbms.doctor.sketch import Sketch, sketch_of

SITE = """\
site: house
buses: [{name: can0, interface: virtual, channel: a}]
packs: [{name: bank, type: lfp_8s_320ah, node: 1, bus: can0}]
"""

Sketched = Callable[[str], Sketch]
NOBODY = 65534


@pytest.fixture
def sketched(tmp_path: Path) -> Sketched:
    """Writes a site file of this text and looks at it."""
    def sketch(text: str = SITE) -> Sketch:
        path = tmp_path / "site.yaml"
        path.write_text(text)
        return sketch_of(path)
    return sketch


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine of whose files none are there yet."""
    return Machine(tmp_path / "root")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach, which those of pytest are not."""
    folder = Path(tempfile.mkdtemp(prefix="doctor-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def closed_folder(open_folder: Path) -> Path:
    """A folder of root's with a whole site's files in it, that nobody else may pass."""
    folder = open_folder / "closed"
    (folder / "run" / "journal" / "sample").mkdir(parents=True)
    for name in ("token", "port", "mine.dbc"):
        (folder / name).touch()
    folder.chmod(0o700)
    return folder


def as_nobody(look: Callable[[], Iterable[Finding]]) -> list[str]:
    """What the user `nobody` is told: id, sentence and what to do, a line each."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            text = "\n".join(f"{found.id} {found.sentence} > {found.do}" for found in look())
            os.write(writer, text.encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as told:
        lines = told.read().splitlines()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return lines


class Far:
    """The far end of a pty, with what was said to it."""

    def __init__(self) -> None:
        self.fd, self.near = pty.openpty()
        tty.setraw(self.fd)
        tty.setraw(self.near)
        self.path = os.ttyname(self.near)

    def write(self, data: bytes) -> None:
        os.write(self.fd, data)

    @contextlib.contextmanager
    def saying(self, raw: bytes) -> Iterator[None]:
        """Says this again and again: what was said before the port is opened is thrown away by the one who opens it."""
        stop = threading.Event()

        def say() -> None:
            with contextlib.suppress(OSError):
                while not stop.wait(0.02):
                    self.write(raw)

        thread = threading.Thread(target=say, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(5)

    def heard(self) -> bytes:
        """What has been written to the port by now."""
        os.set_blocking(self.fd, False)
        with contextlib.suppress(BlockingIOError):
            return os.read(self.fd, 4096)
        return b""


@pytest.fixture
def port() -> Iterator[Far]:
    """A serial port that is a pty."""
    far = Far()
    yield far
    for fd in (far.fd, far.near):
        with contextlib.suppress(OSError):  # a test may have closed it
            os.close(fd)
