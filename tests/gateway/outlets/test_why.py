"""`2lbms why`: who opened or limits what, and what a person can do now."""

from __future__ import annotations

import json
import re
from datetime import UTC
from typing import Any

import pytest

from gateway.outlets.snapshots import NOON_NS, garage, house, measured, over_voltage, silent, site
from twolbms.battery.telling import REASONS
from twolbms.diagnoses import DIAGNOSES
from twolbms.files import data_path
from twolbms.outlets.why import Sentence, why, why_pack
from twolbms.outlets.words import RULES, snake


def say(name: str, pack: dict[str, Any]) -> list[Sentence]:
    """The sentences of one pack, times in UTC."""
    return why_pack(name, pack, UTC)


def only(name: str, pack: dict[str, Any]) -> Sentence:
    """The one sentence there is."""
    sentence, = say(name, pack)
    return sentence


def too_cold(**changes: Any) -> dict[str, Any]:
    """The unlatched fault of a pack below 0 degC."""
    return over_voltage(limit="charge_under_temperature", latched=False, cell=None, value=-1.5, threshold=0.0,
                        unit="degC", **changes)


def opened(**changes: Any) -> dict[str, Any]:
    """The house with both paths open and no fault."""
    allowance = {"charge_a": 0.0, "discharge_a": 0.0, "charge_limited_by": "path_open",
                 "discharge_limited_by": "path_open"}
    return house(state="open", paths={"charge": "open", "discharge": "open"}, allowance=allowance, **changes)


def reasons_of_the_dbc() -> list[str]:
    """The labels of PackAllowance.ChargeLimitedBy, read from the file itself."""
    row = re.search(r"^VAL_ \d+ ChargeLimitedBy (.*);$", data_path("dbc", "node.dbc").read_text(), re.MULTILINE)
    assert row
    return [name for name in re.findall(r'"(\w+)"', row[1]) if name != "NotAvailable"]


def test_a_tripped_cell() -> None:
    """A latched trip names pack, since when, cell, value, limit, its name, age, advice and what clears it."""
    assert str(only("garage", garage())) == (
        "Garage: charging and discharging are blocked since 11:59:20 because cell 3 was 4.203 V, above the 4.200 V "
        "trip of cell over voltage (heard 0.2 s ago). Now: stop charging, let the cell relax or balance; a cell that "
        "is always first is weak or unbalanced; wait 23 s (hold time), then ask for clear and close.")


def test_one_open_path() -> None:
    """With outputs that block charging alone only charging is said to be blocked, and discharging is not mentioned."""
    fault = over_voltage(value=3.652, threshold=3.65)
    pack = house(paths={"charge": "open", "discharge": "closed"}, faults=[fault],
                 allowance=house()["allowance"] | {"charge_a": 0.0, "charge_limited_by": "cell_over_voltage"})
    assert only("house", pack).text.startswith(
        "House: charging is blocked since 11:59:20 because cell 3 was 3.652 V, above the 3.650 V trip")


def test_facts_for_programs() -> None:
    """The JSON form carries the same facts as numbers."""
    facts = json.loads(json.dumps(only("garage", garage()).as_dict()))
    expected = {"pack": "garage", "what": "both", "by": "cell_over_voltage", "cell": 3, "value": 4.203, "limit": 4.2,
                "unit": "V", "age_s": 0.2, "since_ns": NOON_NS - 40 * 10**9}
    assert {key: facts[key] for key in expected} == expected


def test_hold_over() -> None:
    """When the hold time is over nothing is left to wait for."""
    assert only("garage", garage(hold_remaining_s=0.0)).now.endswith("ask for clear, then for close")


def test_local_clear_only() -> None:
    """A fault that is not cleared remotely sends the person to the node."""
    limits = {"break_overload": {"unit": "1", "trip": 0, "clear": 0, "remote_clear": False}}
    fault = over_voltage(limit="break_overload", value=None, threshold=None, cell=None, unit="1")
    assert "clear it at the node" in only("garage", garage(faults=[fault], limits=limits)).now


def test_refusal_is_told() -> None:
    """Why the last request was refused belongs to what a person can do."""
    assert "the last request was refused: the hold time is still running" in \
        only("garage", garage(last_refusal="hold_running")).now


def test_cold_charge_block() -> None:
    """An unlatched block says when it ends by itself."""
    fault = too_cold()
    pack = house(paths={"charge": "open", "discharge": "closed"}, faults=[fault],
                 allowance=house()["allowance"] | {"charge_a": 0.0, "charge_limited_by": "charge_under_temperature"})
    sentence = only("house", pack)
    assert "because the coldest sensor was -1.5 °C, below the 0 °C trip of charge under temperature" in sentence.text
    assert "ends by itself when back at 3 °C" in sentence.now


def test_derating() -> None:
    """A held-back current names how much and the temperatures that hold it back."""
    assert only("house", house()).text == (
        "House: charging is limited to 160 A because the temperature is 18.1 to 18.9 °C (heard 0.2 s ago).")


def test_derating_by_a_cell() -> None:
    """A cell near full is named with its voltage."""
    sentence = only("house", house(allowance=house()["allowance"] | {"charge_limited_by": "derate_charge_voltage"}))
    assert (sentence.cell, sentence.value) == (3, 3.352)
    assert "cell 3, the highest, is at 3.352 V" in sentence.text


def test_healthy() -> None:
    """Where only the ratings hold, nothing is to do."""
    sentence = only("house", house(allowance=house()["allowance"] | {"charge_a": 200.0, "charge_limited_by": "rating"}))
    assert str(sentence) == ("House: nothing limits: charging up to 200 A and discharging up to 200 A, by the parts' "
                             "ratings (heard 0.2 s ago). Now: nothing to do.")


@pytest.mark.parametrize(("age_s", "words"), [
    (None, "node 1 was never heard"), (12.0, "node 1 has been silent for 12 s")])
def test_silent_node(age_s: float | None, words: str) -> None:
    """A node that is not heard makes everything unknown, and nothing else is claimed of it."""
    sentence = only("house", silent(house(), age_s))
    assert words in sentence.text and "everything is unknown and nothing is allowed" in sentence.text


def test_open_without_a_fault() -> None:
    """Open outputs without a fault name what opened them last; both directions are one sentence."""
    sentence = only("house", opened(open_reason="gateway_request"))
    assert sentence.what == "both" and sentence.now == "ask for close"
    assert "its paths are open; opened last by gateway" in sentence.text


def test_different_limits() -> None:
    """A node with other limits than the gateway's file is never asked to close, and the sentence says what to do."""
    sentence = only("house", house(hash_ok=False))
    assert "limits differ from the gateway's file of lfp_8s_320ah" in sentence.text and "flash" in sentence.now


def test_unknown_allowance() -> None:
    """An allowance that is not known is called unknown, never 0 A by some rule."""
    pack = house(allowance=house()["allowance"] | {"charge_a": None})
    assert "whether charging is allowed is unknown" in say("house", pack)[0].text


def test_warning_blocks_nothing() -> None:
    """A warn tier is told as a warning beside the rest."""
    fault = over_voltage(tier="warn", latched=False, value=3.56, threshold=3.55)
    sentences = say("house", house(faults=[fault]))
    assert "a warning since 11:59:20, nothing is blocked: cell 3 was 3.560 V, above the 3.550 V warn" in \
        sentences[0].text
    assert "limited to 160 A" in sentences[1].text


def test_value_that_came_back() -> None:
    """A fault tells the worst value since it began, and beside it what is measured there now."""
    pack = garage()
    pack["cells_v"][2] = measured(4.020)
    assert "cell 3 was 4.203 V, above the 4.200 V trip of cell over voltage, and is 4.020 V now" in \
        only("garage", pack).text
    pack["cells_v"][2] = measured(None)
    assert "now" not in only("garage", pack).text


@pytest.mark.parametrize("limit", DIAGNOSES)
def test_every_diagnosis_has_a_sentence(limit: str) -> None:
    """Each row of the limit table gives a sentence with its own advice, with and without a value."""
    for value, threshold in ((None, None), (1.5, 1.0)):
        fault = over_voltage(limit=limit, cell=None, value=value, threshold=threshold, unit=DIAGNOSES[limit].unit)
        sentence = only("garage", garage(faults=[fault]))
        assert sentence.by == limit and DIAGNOSES[limit].advice in sentence.now
        assert "None" not in str(sentence)


def test_held_open() -> None:
    """An open that somebody asked for is not ended by waiting, and says by whom it was asked."""
    pack = opened(requests={"held_open_by": "anna"})
    assert only("house", pack).now == "anna asked for open, and only a person's close ends that"


def test_every_rule_has_words() -> None:
    """What the engine and dbc/node.dbc name as limiting is put into words, and not into its own name."""
    rules = [*REASONS, *(snake(name) for name in reasons_of_the_dbc())]
    for rule in rules:
        sentence = say("house", house(allowance=house()["allowance"] | {"charge_limited_by": rule}))[0]
        assert rule in (*RULES, *DIAGNOSES) and "_" not in str(sentence), rule


def test_sensor_is_named_with_its_place() -> None:
    """A temperature is told with the sensor and where it sits."""
    assert "sensor 2 (place 1) was -1.5 °C" in say("house", house(faults=[too_cold(sensor=2)]))[0].text


def test_site_and_banks() -> None:
    """Without a name all packs are explained, and each bank of several that allows nothing."""
    bank = {"packs": ["house", "garage"], "charge_a": 0.0, "discharge_a": 80.0,
            "charge_limited_by": "garage: path_open"}
    snapshot = site(house=house(), garage=garage()) | {"banks": {"shed": bank}}
    sentences = why(snapshot, zone=UTC)
    assert [sentence.pack for sentence in sentences] == ["house", "garage", None]
    assert sentences[2].text == "Bank shed (house and garage): charging is 0 A because of garage: outputs open."
    assert len(why(site(house=house(), garage=garage()))) == 2


def test_no_such_pack() -> None:
    """A wrong name is a KeyError, not silence."""
    with pytest.raises(KeyError):
        why(site(house=house()), "shed")


def test_unknown_measurement_is_not_a_number() -> None:
    """A derating whose temperatures are unknown says so."""
    pack = house()
    pack["values"]["temperature_min_c"] = measured(None, None)
    assert "the temperature is unknown" in only("house", pack).text
