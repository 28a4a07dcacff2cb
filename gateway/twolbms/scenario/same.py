"""Whether another runtime does in a story exactly what CPython does: every output and every frame, cycle by cycle.

`python -m twolbms.scenario.same --on qemu tests/scenarios`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from twolbms.scenario.play import Played, play_file


class Compared(NamedTuple):
    """One story on one runtime; `trouble` is None when it holds and is the same to the byte."""

    path: Path
    cycles: int
    trouble: str | None


def compare(path: Path, runtime: str) -> Compared:
    """Plays the story in `path` on CPython and on `runtime`. Raises what `play_file` raises."""
    expected, played = play_file(path, "cpython", keep_log=True), play_file(path, runtime, keep_log=True)
    return Compared(path, played.cycles, _unlike(expected, played))


def compare_all(paths: Iterable[Path], runtime: str, workers: int = 1) -> Iterator[Compared]:
    """`compare` of each, in order, by so many processes at a time."""
    job = partial(compare, runtime=runtime)
    if workers <= 1:
        yield from map(job, paths)
        return
    with get_context("spawn").Pool(workers) as pool:
        yield from pool.imap(job, paths)


def _unlike(expected: Played, played: Played) -> str | None:
    for cycle, (one, other) in enumerate(zip(expected.log, played.log, strict=False)):
        for what in one._fields:
            if getattr(one, what) != getattr(other, what):
                return f"cycle {cycle}: {what}: expected {getattr(one, what)!r}, found {getattr(other, what)!r}"
    if expected.cycles != played.cycles or expected.difference != played.difference:
        return (f"expected {expected.difference} after {expected.cycles} cycles, "
                f"found {played.difference} after {played.cycles}")
    return str(played.difference) if played.difference else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Compares every story in the files and folders given; exit status 1 when one differs."""
    parser = argparse.ArgumentParser(prog="python -m twolbms.scenario.same", description=__doc__)
    parser.add_argument("paths", nargs="+", type=Path, help="stories, or folders of them")
    parser.add_argument("--on", dest="runtime", choices=("micropython", "qemu"), default="qemu")
    parser.add_argument("--workers", type=int, default=1, help="processes at a time")
    options = parser.parse_args(arguments)
    stories = [file for path in options.paths for file in (sorted(path.rglob("*.yaml")) if path.is_dir() else [path])]
    began_s = time.monotonic()
    differ = cycles = 0
    for one in compare_all(stories, options.runtime, options.workers):
        cycles += one.cycles
        if one.trouble:
            differ += 1
            print(f"differs  {one.path}: {one.trouble}", flush=True)
    took_s = time.monotonic() - began_s
    print(f"{len(stories)} stories, {cycles} cycles on {options.runtime} in {took_s:.0f} s, "
          f"{60 * len(stories) / took_s:.0f} a minute; {differ} differ")
    return min(1, differ)


if __name__ == "__main__":
    raise SystemExit(main())
