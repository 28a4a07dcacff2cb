"""An engine with nodes speaking to it, on a time of its own; everything it records and sends is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

from twolbms.battery.setup import PackSetup, SiteSetup
from twolbms.build.columns import limit_image
from twolbms.config.pack import GuardedPack
from twolbms.config.site_packs import load_guarded_pack
from twolbms.contract import node_contract
from twolbms.engine import Engine
from twolbms.files import data_path
from twolbms.journal import Event, Reading, Sample, Series
from twolbms.wire import BusFrame
from voices.node_voice import CYCLE_NS, NS, NodeVoice, database

START_NS = 60 * NS
TICK_NS = 20_000_000
LEAF = "leaf_2013_14s"


@cache
def pack_type(name: str = "lfp_8s_320ah") -> GuardedPack:
    return load_guarded_pack(data_path("packs", f"{name}.yaml"))


@cache
def hash_of(name: str = "lfp_8s_320ah") -> int:
    return limit_image(pack_type(name)).hash32


class Kept:
    """A journal in memory."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.events: list[Event] = []
        self.readings: list[Reading] = []
        self.frame_rows: list[Any] = []

    def sample(self, series: Series, time_ns: int, value: float) -> None:
        self.samples.append(Sample(time_ns, series, value))

    def event(self, time_ns: int, kind: str, pack: str, data: dict[str, Any]) -> None:
        self.events.append(Event(time_ns, kind, pack, data))

    def frames(self, records: Sequence[Any]) -> None:
        self.frame_rows += records

    def reading(self, time_ns: int, source: str, data: bytes) -> None:
        self.readings.append(Reading(time_ns, source, data))

    def told(self, *kinds: str) -> list[Event]:
        return [event for event in self.events if event.kind in kinds]

    def texts(self, *kinds: str) -> list[str]:
        return [event.data["text"] for event in self.told(*kinds)]


def setup(name: str = "north", node: int = 1, **options: Any) -> PackSetup:
    return PackSetup(name, node, "can0", pack_type(options.pop("type", "lfp_8s_320ah")), **options)


class World:
    """`voices` speak each 100 ms, the engine ticks each 20 ms. `sent` are (time, frame) of the engine."""

    def __init__(self, *packs: PackSetup, banks: dict[str, tuple[str, ...]] | None = None) -> None:
        packs = packs or (setup(),)
        self.now_ns = START_NS
        self.kept = Kept()
        self.voices = {pack.name: NodeVoice(hash_of(pack.type.pack), pack.node, pack.bus) for pack in packs}
        site = SiteSetup("home", ("can0",), tuple(packs), banks or {pack.name: (pack.name,) for pack in packs})
        self.site = site
        self.engine = Engine(site, node_contract(), self.kept, self.now_ns)
        self.sent: list[tuple[int, BusFrame]] = []
        self.answering: Callable[[str, dict[str, Any]], Iterable[BusFrame]] = lambda pack, request: ()
        self._end_of_cycle_ns = self.now_ns

    @property
    def voice(self) -> NodeVoice:
        return next(iter(self.voices.values()))

    @property
    def pack(self) -> Any:
        return next(iter(self.engine.packs.values()))

    def hear(self, *frames: BusFrame) -> None:
        for frame in frames:
            self.engine.receive(frame, self.now_ns)

    def run(self, seconds: float, *, silent: Iterable[str] = ()) -> None:
        """Lets so much time pass; nodes in `silent` say nothing."""
        end_ns = self.now_ns + round(seconds * NS)
        while self.now_ns < end_ns:
            if self.now_ns >= self._end_of_cycle_ns:
                self._end_of_cycle_ns = self.now_ns + CYCLE_NS
                for name, voice in self.voices.items():
                    if name not in silent:
                        self.hear(*voice.cycle())
            self._tick()
            self.now_ns += TICK_NS

    def _tick(self) -> None:
        for frame in self.engine.tick(self.now_ns):
            self.sent.append((self.now_ns, frame))
            for name, voice in self.voices.items():
                request = read_request(frame)
                if request is not None and frame.can_id & 0xFF == voice.node:
                    self.hear(*self.answering(name, request))

    def snapshot(self, name: str = "north") -> dict[str, Any]:
        picture: dict[str, Any] = self.engine.snapshot(self.now_ns)["packs"][name]
        return picture

    def allowed(self, name: str = "north") -> tuple[float, float]:
        allowance = self.snapshot(name)["allowance"]
        return allowance["charge_a"], allowance["discharge_a"]

    def requests(self, *what: str) -> list[dict[str, Any]]:
        """The NodeRequests sent so far, of these kinds or all."""
        found = [request for _, frame in self.sent if (request := read_request(frame)) is not None]
        return [request for request in found if not what or request["Request"] in what]


def read_request(frame: BusFrame) -> dict[str, Any] | None:
    """A NodeRequest as cantools reads it, texts for numbers; None for other frames."""
    message = database().get_message_by_name("NodeRequest")
    if frame.can_id & 0x1FFFFF00 != message.frame_id:
        return None
    return {name: str(value) if hasattr(value, "name") else value for name, value in message.decode(frame.data).items()}


def two_packs(**options: Any) -> World:
    """Two packs of one bank, each kept closed."""
    return World(setup("north", 1, **options), setup("south", 2, **options), banks={"bank": ("north", "south")})


def leaf_voice(voice: NodeVoice) -> None:
    """The voice of a healthy Leaf pack of fourteen groups."""
    voice.cells = [3.800 + 0.001 * n for n in range(14)]
    voice.say("CellExtremes", CellVoltageMin=3.800, CellVoltageMax=3.813, CellMinIndex=0, CellMaxIndex=13)
    voice.say("PackValues", PackVoltage=53.3, LinkVoltage=53.3)
    voice.say("PackAllowance", ChargeCurrentAllowed=60.0, DischargeCurrentAllowed=100.0, ChargeVoltageAllowed=57.4)
