"""The parent's line to the simulated world, and the inverters that follow what the gateway allows.

An inverter reads its allowance now and then and follows a little later, as real ones do; without a word from the
gateway it stops. Knows no battery.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import Any

from twolbms.demo.parts import Part, PartFailed

FOLLOW_AFTER_S = 2.0
"""Story seconds from an allowance to the current that obeys it; real inverters take up to ten."""

SILENT_AFTER_S = 8.0
"""Story seconds without a snapshot after which an inverter carries nothing."""


class World:
    """Commands to the world's process and their answers, one at a time."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self._lock = asyncio.Lock()

    async def start(self) -> dict[str, Any]:
        """Starts the process; the ports it listens on."""
        await self.part.start()
        return await self._line()

    async def ask(self, **command: Any) -> dict[str, Any]:
        """One command; PartFailed when the world cannot carry it out or is gone."""
        async with self._lock:
            if not self.part.running:
                raise PartFailed(f"{self.part.name} is gone")
            stdin = self.part.process.stdin
            assert stdin is not None
            try:
                stdin.write(json.dumps(command).encode() + b"\n")
                await stdin.drain()
            except (ConnectionError, RuntimeError) as error:
                raise PartFailed(f"{self.part.name} is gone") from error
            answer = await self._line()
        if not answer.get("ok"):
            raise PartFailed(f"{self.part.name} refuses {command}: {answer.get('error')}")
        return answer

    async def _line(self) -> dict[str, Any]:
        stdout = self.part.process.stdout
        assert stdout is not None
        line = await stdout.readline()
        if not line:
            await self.part.ended()
            raise self.part.failure()
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def set(self, pack: str, **changes: Any) -> None:
        """Changes something at a pack's plant."""
        await self.ask(pack=pack, set=changes)

    async def status(self) -> dict[str, Any]:
        """Counters of the bus and the true state of every pack."""
        status: dict[str, Any] = (await self.ask(do="status"))["status"]
        return status


Allowed = tuple[float, float]  # charge and discharge, A
_NOTHING: Allowed = (0.0, 0.0)


class Inverter:
    """Follows one pack's allowance after a delay. Time is story seconds and an argument."""

    def __init__(self) -> None:
        self._heard: deque[tuple[float, Allowed]] = deque()
        self._last_s: float | None = None
        self._follows = _NOTHING
        self._told: Allowed | None = None

    def hear(self, pack: dict[str, Any] | None, now_s: float) -> None:
        """What a snapshot says of the pack; an unknown allowance is 0 A."""
        allowance = (pack or {}).get("allowance") or {}
        self._last_s = now_s
        self._heard.append((now_s, (allowance.get("charge_a") or 0.0, allowance.get("discharge_a") or 0.0)))

    def due(self, now_s: float) -> Allowed | None:
        """What it carries from now on, when that has changed."""
        while self._heard and now_s - self._heard[0][0] >= FOLLOW_AFTER_S:
            self._follows = self._heard.popleft()[1]
        if self._last_s is None or now_s - self._last_s > SILENT_AFTER_S:
            self._heard.clear()
            self._follows = _NOTHING
        if self._follows == self._told:
            return None
        self._told = self._follows
        return self._told

    def forget(self) -> None:
        """After the world has started anew it must be told everything again."""
        self._told = None
