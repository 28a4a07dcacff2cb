"""The way into a node's service state: asked for, prompt reached, outputs measured open. Nothing is written here."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from twolbms.build.node_port import NodePort, PortError

SERVICE_WAIT_S = 15.0  # the node opens, resets and starts again
OPEN_WAIT_S = 10.0
START_ASKS, START_ASK_S = 4, 2.0
POLL_S = 1.0
STATUS = re.compile(r"^2lbms (\S+) slot ([ab]) (kept|on trial|waits for arming), rolled back (\d+)$")
Say = Callable[[str], None]


class NotInServiceError(Exception):
    """The node cannot be worked on; the text says why and what to do. Nothing was changed."""


class ServiceState:
    """A node's way into service over `port`. `say` gets a line for each step; `sleep` and `clock` are time's."""

    def __init__(self, port: NodePort, say: Say, sleep: Callable[[float], None] = time.sleep,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._port = port
        self._say = say
        self._sleep = sleep
        self._clock = clock

    def enter(self, board: str | None = None) -> None:
        """Ends at the prompt, of a node that is this `board` where one is named. Raises NotInServiceError."""
        state = self._port.ask("2lbms status")
        if not state and self.at_prompt(2 * POLL_S):
            self._say("the node is in service already")
            return
        for _ in range(START_ASKS):  # it may have been reset a moment ago
            state = state or self._port.ask("2lbms status", START_ASK_S)
        if not state:
            raise NotInServiceError("the node answers neither as an application nor with a prompt: put in the service "
                                    "jumper, press reset and try again")
        told = STATUS.match(state)
        if told and board is not None and told[1] != board:
            raise NotInServiceError(f"this image is for {board}, the node is a {told[1]}")
        self._say(f"the node says: {state.removeprefix('2lbms ')}; asking for service")
        answer = self._port.ask("2lbms service", 3.0, "2lbms service ")
        if answer != "2lbms service accepted":
            why = answer.removeprefix("2lbms service ") or "no answer"
            raise NotInServiceError(f"the node does not go into service: {why}")
        if not self.at_prompt(SERVICE_WAIT_S):
            raise NotInServiceError("the node accepted, but its prompt did not come")

    def at_prompt(self, wait_s: float) -> bool:
        """Whether the prompt is there within `wait_s`."""
        end = self._clock() + wait_s
        while not self._port.prompt():
            if self._clock() >= end:
                return False
            self._sleep(POLL_S)
        return True

    def confirm_open(self) -> None:
        """Waits until the outputs are measured open. Raises NotInServiceError when they are not, or cannot be."""
        end = self._clock() + OPEN_WAIT_S
        while self._outputs_open() != "True":
            if self._clock() >= end:
                raise NotInServiceError("the outputs are not measured open: nothing was changed")
            self._sleep(POLL_S)
        self._say("outputs are measured open")

    def _outputs_open(self) -> str:
        try:
            return self._port.run("import safe\nprint(safe.outputs_open())").strip()
        except PortError as error:
            if "no module named 'safe'" in str(error):
                raise NotInServiceError("there is a MicroPython prompt at this port, but not our boot files: another "
                                        "device, or one for `2lbms node flash --first`") from None
            raise
