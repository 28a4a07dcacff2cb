"""The person at a terminal: one question at a time, each answer a key or a number; skip and quit go everywhere."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from twolbms.commissioning.conversation import FAILED, PASSED, Choice, Number, Step, Verdict
from twolbms.commissioning.readings import Readings
from twolbms.commissioning.walk import QuitWalk, SkipStep

WIDTH = 80
_INDENT = 4
_STYLES = {PASSED: "bold green", FAILED: "bold red"}
_SIGNS = {PASSED: ("✓", "+"), FAILED: ("✗", "x")}
_HELP = ("Answer y or n, or the number that is asked for; Enter when something is done. skip leaves a step out and "
         "asks why, quit goes on another time.")


class Terminal:
    """Speaks through `console`; `read_line` shows a prompt and gives what was typed, EOFError at the end of input."""

    def __init__(self, console: Console, unicode: bool = True, read_line: Callable[[str], str] | None = None) -> None:
        self._console = console
        self._plain = 0 if unicode else 1
        self._read_line = read_line or console.input
        self._live: Live | None = None
        self._interrupted = False
        self._before: Any = None  # what Ctrl-C did before we watched

    def greet(self, lines: list[str]) -> None:
        """What one needs to know before it begins."""
        for line in [*lines, _HELP]:
            self._print(line, indent=0)

    def tell(self, text: str) -> None:
        """See Person."""
        self._print(text)

    def ready(self, text: str) -> None:
        """See Person."""
        self._print(text, "bold")
        self._ask("Enter when ready")

    def yes_no(self, text: str) -> bool:
        """See Person. Enter alone is no answer to what may hurt somebody."""
        self._print(text, "bold")
        while True:
            word = self._ask("y/n").lower()
            if word in ("y", "yes", "n", "no"):
                return word.startswith("y")
            self._print("y or n, skip or quit")

    def number(self, asked: Number) -> float:
        """See Person."""
        while True:
            word = self._ask(f"{asked.text}, {asked.unit}")
            try:
                value = float(word.replace(",", "."))
            except ValueError:
                self._print("a number such as 3.312")
                continue
            if asked.lowest <= value <= asked.highest:
                return value
            self._print(f"from {asked.lowest:.4g} to {asked.highest:.4g} {asked.unit} is what it could be; look again")

    def choice(self, asked: Choice) -> str:
        """See Person."""
        self._print(asked.text, "bold")
        for number, option in enumerate(asked.options, 1):
            self._print(f"{number}  {option}")
        while True:
            word = self._ask(f"1-{len(asked.options)}")
            if word.isdecimal() and 1 <= int(word) <= len(asked.options):
                return asked.options[int(word) - 1]
            self._print("the number before it, skip or quit")

    def watching(self, text: str, now: Readings | None, left_s: float) -> None:
        """See Person. A line that changes on a terminal, the request alone elsewhere."""
        if now is None:
            self._stop()
            self._print(text, "bold")
            self._watch()
        elif self._interrupted:
            self._ask("Enter to go on waiting")
            self._watch()
        elif self._live is not None:
            self._live.update(Padding(Text(f"{summary(now)}   {left_s:.0f} s left, Ctrl-C to stop", "dim"),
                                      (0, 0, 0, _INDENT)), refresh=True)

    def begins(self, step: Step, number: int, count: int) -> None:
        """See Person."""
        self._stop()
        self._console.print()
        self._console.print(Text.assemble((f"{number:2}/{count} ", "dim"), (step.title, "bold")))
        self._print(f"At hand: {step.needs}.", "dim")
        self._print(f"Finds: {step.about}.", "dim")

    def ended(self, step: Step, verdict: Verdict) -> None:
        """See Person."""
        self._result(verdict, verdict.reason)

    def passed_before(self, step: Step, verdict: Verdict) -> None:
        """See Person."""
        self._result(verdict, f"{step.title}, {verdict.reason}")

    def _result(self, verdict: Verdict, text: str) -> None:
        self._stop()
        sign = _SIGNS.get(verdict.result, ("–", "-"))[self._plain]
        row = Table.grid(padding=(0, 2, 0, 0))
        row.add_row(Text(f"{sign} {verdict.result}", _STYLES.get(verdict.result, "bold yellow")), Text(text))
        self._console.print(Padding(row, (0, 0, 0, _INDENT)), width=WIDTH)

    def verdict(self, fit: bool, text: str) -> None:
        """What it all comes to."""
        self._console.print()
        self._print(text, _STYLES[PASSED if fit else FAILED], indent=0)

    def again(self, step: Step) -> bool:
        """See Person."""
        while True:
            word = self._ask("Try again? y/n").lower()
            if word in ("y", "yes", "n", "no"):
                return word.startswith("y")

    def _ask(self, prompt: str) -> str:
        self._stop()
        try:
            word = self._read_line(f"{' ' * _INDENT}{prompt} > ").strip()
        except EOFError:
            raise QuitWalk from None
        if word.lower() in ("quit", "q"):
            raise QuitWalk
        if word.lower().split(" ", 1)[0] == "skip":
            raise SkipStep(word[4:].strip() or self._reason())
        return word

    def _reason(self) -> str:
        while True:
            try:
                if why := self._read_line(f"{' ' * _INDENT}Why is it left out? > ").strip():
                    return why
            except EOFError:
                raise QuitWalk from None

    def _watch(self) -> None:
        """Ctrl-C is kept for after the exchange with the node that it would cut in two."""
        self._interrupted = False
        with suppress(ValueError):  # not the main thread
            self._before = signal.signal(signal.SIGINT, self._interrupt)
        if self._console.is_terminal:
            self._live = Live(console=self._console, transient=True, auto_refresh=False)
            self._live.start()

    def _interrupt(self, *_: object) -> None:
        self._interrupted = True

    def _stop(self) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _print(self, text: str, style: str = "", indent: int = _INDENT) -> None:
        self._stop()
        self._console.print(Padding(Text(text, style), (0, 0, 0, indent)), width=WIDTH)


def summary(now: Readings) -> str:
    """What is read, in a few words."""
    return "  ".join((_range(now.cells_v, "V", 3), _range(now.temps_c, "°C", 1),
                      "no current" if now.current_a is None else f"{now.current_a:.2f} A"))


def _range(values: tuple[float | None, ...], unit: str, decimals: int) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return f"no {unit}"
    gone = f" ({len(values) - len(known)} gone)" if len(known) < len(values) else ""
    return f"{min(known):.{decimals}f} to {max(known):.{decimals}f} {unit}{gone}"
