"""`make node-proof`: every proof of the node that is too long for a test run, one after the other, with its bound.

`PROOFS` is the table; another proof is another row. TWOLBMS_PROOF=short takes the sizes for CI, TWOLBMS_REQUIRE names
what must be on this machine (`micropython32`, `qemu`): without it a proof that lacks something is skipped by its name.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from twolbms.proof import proofs
from twolbms.proof.proofs import Lacking, Proven


class Proof(NamedTuple):
    """One row: what is proven, the bound that must hold, and how large it is in full and in short; 0 is all."""

    name: str
    bound: str
    run: Callable[[int], Proven]
    full: int
    short: int


PROOFS: tuple[Proof, ...] = (
    Proof("scenarios on CPython", "every one holds", proofs.scenarios_hold, 0, 0),
    Proof("scenarios on 32-bit MicroPython, heap locked", "the same to the byte", proofs.same_on_micropython, 0, 40),
    Proof("scenarios on the emulated Cortex-M3, heap locked", "the same to the byte", proofs.same_on_qemu, 0, 10),
    Proof("instructions of a cycle", f"16 cells at most {proofs.MOST_INSTRUCTIONS:,}, 96 at most {proofs.MOST_WIDE:,}",
          proofs.instructions, 200, 50),
    Proof("oracle", "identical in every step", proofs.oracle, 1_000_000, 40_000),
    Proof("mutants", "95 % killed in each module", proofs.mutation, 0, 0),
    Proof("reaction times", "each within its bound, the page fresh", proofs.reaction_times, 0, 0),
    Proof("power cuts", "always one whole version", proofs.power_cuts, 1000, 200),
)
SHORT = "short"


class Result(NamedTuple):
    """How one proof went: holds, BROKEN or skipped, and how long it took."""

    proof: Proof
    word: str
    said: str
    seconds: float


def run(chosen: Sequence[Proof], short: bool, required: Sequence[str], tell: Callable[[str], None]) -> list[Result]:
    """Runs the proofs in order; all of them, also after one that is broken."""
    results = []
    for proof in chosen:
        tell(f"== {proof.name}: {proof.bound}")
        begun = time.monotonic()
        try:
            holds, said = proof.run(proof.short if short else proof.full)
            word = "holds" if holds else "BROKEN"
        except Lacking as lack:
            word, said = "BROKEN" if lack.name in required else "skipped", f"needs {lack.name}: {lack}"
        results.append(Result(proof, word, said, time.monotonic() - begun))
        tell(said)
    return results


def table(results: Sequence[Result]) -> Iterator[str]:
    """The summary, one line a proof."""
    width = max((len(result.proof.name) for result in results), default=0)
    for result in results:
        last = result.said.strip().rpartition("\n")[2]
        yield f"{result.word:8} {result.proof.name:{width}}  {result.seconds:6.0f} s  {last}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 1 when a bound is broken, 2 when nothing has the name that was given."""
    parser = argparse.ArgumentParser(prog="tools/node-proof", description=__doc__)
    parser.add_argument("names", nargs="*", help="only proofs whose name holds one of these words")
    options = parser.parse_args(arguments)
    chosen = [proof for proof in PROOFS if not options.names or any(name in proof.name for name in options.names)]
    if not chosen:
        print(f"no proof is called {' or '.join(options.names)}", file=sys.stderr)
        return 2
    short = os.environ.get("TWOLBMS_PROOF") == SHORT
    required = os.environ.get("TWOLBMS_REQUIRE", "").split(",")
    results = run(chosen, short, required, lambda line: print(line, flush=True))
    print("\n".join(["", *table(results)]))
    return 1 if any(result.word == "BROKEN" for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
