"""The port to a node, where nobody answers."""

from __future__ import annotations

import os
import pty
import tty

from twolbms.build.node_port import SerialNodePort


def test_a_silent_pty_is_no_endless_wait() -> None:
    """A line without an answer ends after its time, and so does the way to the prompt; this test would hang else."""
    far, near = pty.openpty()
    tty.setraw(near)
    port = SerialNodePort(os.ttyname(near))
    try:
        assert port.ask("2lbms status", wait_s=0.3) == ""
        assert port.prompt() is False
    finally:
        port.close()
        os.close(far)
        os.close(near)
