"""What a person's tool may say on the console while the application runs: two words, each a line.

`2lbms service` asks for the service state, `2lbms status` for the state of the slots. Anything else is nothing.
"""

NOTHING, SERVICE, STATUS = 0, 1, 2


def _next(word, matched, byte):
    """How much of the line is the word so far; -1 when it is another one."""
    return matched + 1 if 0 <= matched < len(word) and word[matched] == byte else -1


class Console:
    """Give it every byte that comes in; allocates nothing."""

    def __init__(self):
        self._service = self._status = 0

    def take(self, byte):
        """SERVICE or STATUS when this byte ends such a line, else NOTHING."""
        if byte == 13 or byte == 10:
            heard = SERVICE if self._service == 13 else STATUS if self._status == 12 else NOTHING
            self._service = self._status = 0
            return heard
        self._service = _next(b"2lbms service", self._service, byte)
        self._status = _next(b"2lbms status", self._status, byte)
        return NOTHING


def status_line(board, slot, trial, failed):
    """The answer to `status`. Allocates: outside the cycle."""
    state = ("kept", "on trial", "waits for arming")[trial]
    return f"2lbms {board} slot {'ab-'[slot]} {state}, rolled back {failed}"


def service_line(why=""):
    """The answer to `service`: accepted, or why not."""
    return "2lbms service refused: " + why if why else "2lbms service accepted"
