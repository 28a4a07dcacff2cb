"""Standard output as a stream whose failures are told apart from those of any other file. Knows no command."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator


class OutputFailedError(OSError):
    """Standard output is closed, or what it leads to takes no more."""


class _Output(io.FileIO):
    """A descriptor that somebody else opened and closes."""

    def write(self, data: object, /) -> int:
        """As a file writes; BrokenPipeError stays what it is: whoever reads has had enough."""
        try:
            return super().write(data)  # type: ignore[arg-type]  # whatever the buffer above hands down
        except (BrokenPipeError, BlockingIOError):
            raise
        except OSError as error:
            raise OutputFailedError(error.errno, error.strerror) from None


@contextlib.contextmanager
def watched_output() -> Iterator[None]:
    """While it holds, what standard output refuses is an OutputFailedError, also when there is none at all.

    A command that writes nothing runs all the same. A stream that was put in its place is left as it is.
    """
    there = sys.stdout
    if there is not None and (there is not sys.__stdout__ or not isinstance(there, io.TextIOWrapper)):
        yield
        return
    with contextlib.ExitStack() as stack:
        if there is None:
            # Open for reading only, so that every write fails; it takes the free descriptor 1 before a journal does.
            descriptor = os.open(os.devnull, os.O_RDONLY)
            stack.callback(os.close, descriptor)
            encoding, by_line = "utf-8", False
        else:
            there.flush()
            descriptor, encoding, by_line = there.fileno(), there.encoding, there.line_buffering
        raw = _Output(descriptor, "w", closefd=False)
        # A terminal that cannot show ° is no reason to stop.
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(raw), encoding, "backslashreplace", line_buffering=by_line)
        stack.callback(setattr, sys, "stdout", there)
        yield
