"""Keeps the text of the error that ended the application, where the flash tool reads it. Knows nothing else."""

import io
import sys

try:
    from disk import FOLDER
except ImportError:
    FOLDER = ""

_MOST = 600  # characters: the last calls and the error
_NAME = "last_error.txt"


def keep(error):
    """Writes only what differs from the last time: a node that fails again and again must not wear its flash."""
    text = io.StringIO()
    sys.print_exception(error, text)
    text = text.getvalue()[-_MOST:]
    try:
        with open(FOLDER + _NAME) as file:
            if file.read() == text:
                return
    except OSError:
        pass
    with open(FOLDER + _NAME, "w") as file:
        file.write(text)
