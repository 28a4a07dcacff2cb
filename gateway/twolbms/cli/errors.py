"""What the shell learns: exit statuses, and one line for whatever went wrong.

0 fine · 1 differs, unhealthy, or standard output took no more · 2 a file or argument is wrong ·
70 a fault of 2lbms itself · 130 interrupted · 141 nobody reads the output. Knows no command.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import traceback
from collections.abc import Callable

import click

from twolbms.cli.output import OutputFailedError
from twolbms.config.errors import ConfigError, printable

FINE, DIFFERS, BAD_INPUT = 0, 1, 2
OUR_FAULT = 70  # EX_SOFTWARE of sysexits.h
INTERRUPTED = 130  # 128 + SIGINT, as shells say it
NOBODY_READS = 141  # 128 + SIGPIPE
TRACEBACK_VARIABLE = "TWOLBMS_TRACEBACK"

# Packages that come with an extra of 2lbms.
_EXTRAS = {"influxdb_client": "influx", "numpy": "bulk", "asammdf": "mf4", "msgpack": "multicast",
           "pyarrow": "parquet"}


def exit_status(action: Callable[[], object]) -> int:
    """Does `action` and tells on standard error what went wrong. A whole number it returns is the exit status."""
    try:
        status = _status_of(action)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        _discard_output()
        return NOBODY_READS
    except OutputFailedError as error:
        _discard_output()
        closed = error.errno == errno.EBADF
        return _told(f"2lbms: standard output {'is closed' if closed else f'takes no more: {error.strerror}'}", DIFFERS)
    except KeyboardInterrupt:
        return INTERRUPTED


def _status_of(action: Callable[[], object]) -> int:
    try:
        status = action()
        return status if isinstance(status, int) and not isinstance(status, bool) else FINE
    except ConfigError as error:
        return _told(str(error), BAD_INPUT)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.Abort:  # Ctrl-C or the end of input at a question
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return BAD_INPUT
    except (BrokenPipeError, OutputFailedError):
        raise
    except ModuleNotFoundError as error:
        return _missing_package(error)
    except Exception as error:
        return _unexpected(error)


def _told(text: str, status: int) -> int:
    if sys.stderr is not None:  # else print would take standard output
        with contextlib.suppress(OSError):
            print(text, file=sys.stderr)
    return status


def _missing_package(error: ModuleNotFoundError) -> int:
    package = (error.name or "").partition(".")[0]
    extra = _EXTRAS.get(package)
    if extra is None:
        return _unexpected(error)
    return _told(f"2lbms: this needs the package {package}: pip install '2lbms[{extra}]'", BAD_INPUT)


def _unexpected(error: Exception) -> int:
    if os.environ.get(TRACEBACK_VARIABLE):
        traceback.print_exception(error)
        return OUR_FAULT
    what = ": ".join(filter(None, [type(error).__name__, printable(str(error))]))
    return _told(f"2lbms: unexpected {what} (set {TRACEBACK_VARIABLE}=1 to see where)", OUR_FAULT)


def _discard_output() -> None:
    """Standard output leads nowhere any more; what is left in its buffer must not complain at exit."""
    with contextlib.suppress(OSError):  # not every standard output is a file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
