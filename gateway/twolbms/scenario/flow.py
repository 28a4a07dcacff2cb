"""Writes the steps of a scenario as YAML that the strict reader takes: one line where it fits, a block where not."""

from __future__ import annotations

import json
import re
from typing import Any

_WIDTH = 120
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_READ_OTHERWISE = {"on", "off", "yes", "no", "y", "n", "true", "false", "null"}  # by some version of YAML


def flow(value: Any) -> str:
    """A value in flow style."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) and value not in _READ_OTHERWISE else json.dumps(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def step_text(step: tuple[int, dict[str, Any], dict[str, Any], str | None]) -> str:
    """One item of `steps`: its time, what is set, what is expected, and a note."""
    at_ms, change, expect, note = step
    parts: dict[str, Any] = {"at_ms": at_ms}
    if note:
        parts["note"] = note
    if change:
        parts["set"] = change
    if expect:
        parts["expect"] = expect
    line = f"  - {flow(parts)}\n"
    if len(line) <= _WIDTH:
        return line
    return "".join(f"  {'-' if at == 0 else ' '} {_block(key, value)}" for at, (key, value) in enumerate(parts.items()))


def _block(key: str, value: Any) -> str:
    line = f"    {key}: {flow(value)}"
    if len(line) < _WIDTH or not isinstance(value, dict):
        return f"{key}: {flow(value)}\n"
    return f"{key}:\n" + "".join(f"      {name}: {flow(item)}\n" for name, item in value.items())
