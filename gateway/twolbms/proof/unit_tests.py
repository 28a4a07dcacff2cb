"""The unit tests of the firmware, collected once and run again and again in this process, one module's at a time.

Needs pytest and the tests of a checkout. Knows no mutants: what is in force when a test runs is the caller's business.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any


class UnitTestsFail(Exception):
    """Unit tests that fail on the firmware as it is prove nothing; the text names them."""


class UnitTests:
    """The tests of each module, quick ones first."""

    def __init__(self, items: dict[str, list[Any]]) -> None:
        self._items = items

    def first_failure(self, module: str) -> str | None:
        """Runs the tests of one module until one fails; its name, None when all hold."""
        items = self._items.get(module, [])
        try:
            for item, following in zip_longest(items, items[1:]):
                if _fails(item, following):
                    return str(item.nodeid)
            return None
        finally:
            if items:
                items[0].session._setupstate.teardown_exact(None)  # what the failed one left set up

    def time_each(self) -> None:
        """Runs all once and sorts them; UnitTestsFail when one does not hold."""
        failed = []
        for module, items in self._items.items():
            took: dict[str, float] = {}
            for item in items:
                begun = time.perf_counter()
                if _fails(item, None):
                    failed.append(item.nodeid)
                took[item.nodeid] = time.perf_counter() - begun
            self._items[module] = sorted(items, key=lambda item: took[item.nodeid])
        if failed:
            raise UnitTestsFail("these unit tests fail on the firmware as it is: " + ", ".join(failed))


def _run(item: Any, following: Any) -> list[Any]:
    from _pytest.runner import runtestprotocol

    return runtestprotocol(item, log=False, nextitem=following)


def _fails(item: Any, following: Any) -> bool:
    return any(report.failed for report in _run(item, following))


def files_of(root: Path, module: str) -> list[Path]:
    """The unit tests of a firmware module such as node.protect in the checkout `root`."""
    name = module.rpartition(".")[2]
    return [path for path in (root / "tests" / "firmware" / f"test_{name}{more}.py" for more in ("", "_edges"))
            if path.is_file()]


def with_unit_tests(root: Path, modules: Sequence[str], then: Callable[[UnitTests], int]) -> int:
    """Collects the tests of firmware modules in the checkout `root`; what `then` makes of them, or 2 without any."""
    import pytest

    wanted = {module: files_of(root, module) for module in modules}

    class Instead:
        """Takes the place of running the tests once."""

        status = 2

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtestloop(self, session: pytest.Session) -> bool:
            self.status = then(UnitTests({module: [item for item in session.items if item.path in files]
                                          for module, files in wanted.items()}))
            return True

    instead = Instead()
    files = [str(path) for paths in wanted.values() for path in paths]
    arguments = [*files, f"--rootdir={root}", f"--confcutdir={root}", "-c", str(root / "pyproject.toml"),
                 "-o", "addopts=", "--import-mode=importlib", "-p", "no:terminal", "-p", "no:cacheprovider",
                 "--capture=no", "-p", "no:logging"]
    pytest.main(arguments, plugins=[instead])
    return instead.status
