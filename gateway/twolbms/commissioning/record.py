"""The record of a check: who, when, which versions and limits, and how each step ended. Kept as JSON."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal
from zlib import crc32

from pydantic import BaseModel, ConfigDict, ValidationError

from twolbms.commissioning.conversation import FAILED, PASSED, Step, Verdict
from twolbms.commissioning.readings import Facts

FOLDER = Path("commissioning")
_DECIMALS = 4


class StepResult(BaseModel):
    """How one step ended, last time; `at` is ISO 8601 with its zone."""

    model_config = ConfigDict(extra="forbid")

    step: str
    title: str
    result: Literal["passed", "failed", "skipped"]
    reason: str
    at: str
    measured: dict[str, Any] = {}


class Record(BaseModel):
    """One check of one node. `required` are the steps that this node has to pass; `id` is what the node is told."""

    model_config = ConfigDict(extra="forbid")

    form: Literal[1] = 1
    serial: str
    number: int
    pack: str
    limit_hash: str
    board: str
    firmware: str
    tool: str
    who: str
    begun: str
    finished: str | None = None
    required: list[str]
    steps: list[StepResult] = []
    id: str = ""

    @property
    def fit(self) -> bool:
        """Whether the node may close: every required step has passed."""
        return all((found := self.result(name)) is not None and found.result == PASSED for name in self.required)

    def result(self, step: str) -> StepResult | None:
        """How this step ended, None when it was never tried."""
        return next((each for each in self.steps if each.step == step), None)

    def open_steps(self) -> list[str]:
        """Names of the required steps that have not passed."""
        return [name for name in self.required if (found := self.result(name)) is None or found.result != PASSED]

    @property
    def failed(self) -> bool:
        """Whether a step has shown something wrong, which is more than not having been done."""
        return any(each.result == FAILED for each in self.steps)

    def put(self, step: Step, verdict: Verdict, at: str) -> None:
        """Takes the last word on a step, in place of an earlier one."""
        result = StepResult(step=step.name, title=step.title, result=verdict.result,
                            reason=verdict.reason, at=at, measured=_plain(verdict.measured))
        self.steps = [each for each in self.steps if each.step != step.name] + [result]
        self.steps.sort(key=lambda each: self.required.index(each.step) if each.step in self.required else 99)
        self.finished, self.id = None, ""

    def finish(self, at: str) -> str:
        """The record is whole: its id, eight hexadecimal digits, never those of nothing."""
        self.finished = at
        text = json.dumps(self.model_dump(exclude={"id"}), sort_keys=True, ensure_ascii=False)
        self.id = f"{crc32(text.encode()) or 1:08X}"
        return self.id


def begin(facts: Facts, steps: Iterable[Step], who: str, tool: str, at: str) -> Record:
    """A record in which nothing has been tried."""
    return Record(serial=facts.serial, number=facts.number, pack=facts.pack, limit_hash=facts.limit_hash,
                  board=facts.board, firmware=facts.firmware, tool=tool, who=who, begun=at,
                  required=[step.name for step in steps])


def _plain(value: Any) -> Any:
    """JSON-able, with no more decimals than a meter shows."""
    if isinstance(value, float):
        return round(value, _DECIMALS)
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in value]
    return value


def file_for(record: Record, folder: Path) -> Path:
    """SERIAL-DATE.json, with a number behind it where there is one already."""
    stem = f"{_safe(record.serial)}-{record.begun[:10]}"
    numbers = (f"-{n}" if n > 1 else "" for n in range(1, 1000))
    return next(path for number in numbers if not (path := folder / f"{stem}{number}.json").exists())


def _safe(serial: str) -> str:
    return re.sub(r"[^\w.-]", "_", serial)


def save(record: Record, path: Path) -> None:
    """Writes it at once, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_text(json.dumps(record.model_dump(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(new, path)


def load(path: Path) -> Record:
    """Reads it back. Raises ValueError with what is wrong."""
    try:
        return Record.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise ValueError(f"{path}: no commissioning record: {error}") from error


def newest(facts: Facts, folder: Path, required: list[str]) -> tuple[Path, Record] | None:
    """The last record of this node on this board, under these limits, with these steps.

    Raises ValueError for a file of this serial that cannot be read: it may say that a later check has failed.
    """
    found = []
    for path in sorted(folder.glob(f"{_safe(facts.serial)}-*.json")):
        record = load(path)
        if (record.serial, record.number, record.board, record.pack, record.limit_hash, record.required) == (
                facts.serial, facts.number, facts.board, facts.pack, facts.limit_hash, required):
            found.append((record.begun, path, record))
    if not found:
        return None
    _, path, record = max(found, key=lambda each: each[:2])
    return path, record
