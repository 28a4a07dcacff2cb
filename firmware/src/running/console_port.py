"""The bytes that come in on the console while the application runs, and the lines that go out. Never waits."""

import select
import sys


class ConsolePort:
    """Standard input and output: USB of a Pico, the ST-LINK's UART of a NUCLEO."""

    def __init__(self):
        self._poll = select.poll()
        self._poll.register(sys.stdin, select.POLLIN)
        self._stdin = sys.stdin.buffer
        self._one = bytearray(1)

    def byte(self):
        """The next byte, or -1 when there is none."""
        for _ in self._poll.ipoll(0):
            if self._stdin.readinto(self._one):
                return self._one[0]
        return -1

    def say(self, text):
        print(text)
