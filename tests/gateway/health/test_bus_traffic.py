"""How a bus is doing: what was lost, how full it is, its state; unknown where nobody tells."""

from __future__ import annotations

import pytest

from twolbms.health.bus_traffic import BusTraffic
from twolbms.recording import Recording
from voices.listening import Kept

NS = 10**9


def test_the_share_of_the_bit_rate() -> None:
    """Bits of the last ten seconds over what the bit rate allows; older traffic is forgotten."""
    traffic = BusTraffic("can0", Recording(Kept()))
    shares = []
    for second in range(25):
        bits = 250_000 * min(second, 12)  # half full for twelve seconds, then nothing
        traffic.look(0, {"bits": bits, "bitrate": 500_000}, True, second * NS)
        shares.append(traffic.load)
    assert shares[0] is None
    assert shares[1] == shares[12] == pytest.approx(0.5)
    assert shares[17] == pytest.approx(0.25)
    assert shares[24] == 0


@pytest.mark.parametrize(("counts", "up"), [
    ({}, True), ({"bits": 5}, True), ({"bitrate": 500_000}, True), ({"bits": 5, "bitrate": 0}, True),
    ({"bits": 5, "bitrate": 500_000}, False), ({"bits": 5, "bitrate": 500_000}, None),
])
def test_an_unknown_share(counts: dict[str, int], up: bool | None) -> None:
    """Without bits, bit rate or an open bus the share is unknown, never 0."""
    traffic = BusTraffic("can0", Recording(Kept()))
    for second in range(3):
        traffic.look(0, counts, up, second * NS)
    assert traffic.load is None


def test_a_count_that_begins_again() -> None:
    """A bus that counts anew after it was opened again gives no negative share."""
    traffic = BusTraffic("can0", Recording(Kept()))
    for second, bits in enumerate((100_000, 200_000, 0, 50_000)):
        traffic.look(0, {"bits": bits, "bitrate": 500_000}, True, second * NS)
        assert traffic.load is None or 0 <= traffic.load <= 1


@pytest.mark.parametrize(("up", "counts", "state"), [
    (None, {}, None), (True, {}, None), (True, {"state": 2}, 2), (False, {"state": 2}, 4), (False, {}, 4)])
def test_its_state(up: bool | None, counts: dict[str, int], state: int | None) -> None:
    """The controller's own state while it is open, 4 while it is not, unknown before it was tried."""
    traffic = BusTraffic("can0", Recording(Kept()))
    traffic.look(0, counts, up, 0)
    assert traffic.state == state


def test_what_is_recorded() -> None:
    """Every row of the bus stands under its name; all ways to lose a frame are one number; a loss is told at once."""
    kept = Kept()
    traffic = BusTraffic("can0", Recording(kept))
    for second, lost in enumerate((0, 0, 3)):
        traffic.look(10 * second, {"dropped": lost, "overrun": lost, "error": 1}, True, second * NS)
    found = {(sample.series.quantity, sample.time_ns // NS): sample.value for sample in kept.samples}
    assert {sample.series.pack for sample in kept.samples} == {"can0"}
    assert found == {("can_frames", 0): 0, ("can_dropped", 0): 0, ("can_dropped", 2): 6, ("can_error_frames", 0): 1}
    assert traffic.lost == 6
