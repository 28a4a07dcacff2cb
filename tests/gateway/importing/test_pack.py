"""The packs of kind "observed": that they load, that their frames are right, and what is refused with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from twolbms.config.errors import ConfigError
from twolbms.files import data_path
from twolbms.importing.checksums import CHECKSUMS
from twolbms.importing.findings import Findings, MessageFindings
from twolbms.importing.pack import LoadedPack, find_pack, load_pack, observed_packs

LEAFS = ["leaf_ze0", "leaf_aze0", "leaf_ze1"]


@pytest.fixture(params=LEAFS)
def leaf(request: pytest.FixtureRequest) -> LoadedPack:
    return load_pack(find_pack(request.param))


def test_the_leaf_packs_come_with_the_program() -> None:
    """All three generations are found by name."""
    assert set(LEAFS) <= set(observed_packs())


def test_the_checksum_is_the_one_on_recorded_frames() -> None:
    """CRC-8 of polynomial 0x85 on frames recorded from cars."""
    crc = CHECKSUMS["crc8_0x85"]
    frames = ("0060C16A00000391", "0060C16A0000009B", "0020C16A000001BC", "3EC12FFD08C4C3EE", "BBC0AA00FFC0112D")
    assert all(crc.of(bytes.fromhex(frame)[:7]) == bytes.fromhex(frame)[7] for frame in frames)


def test_the_sae_checksum_gives_its_published_check_value() -> None:
    """CRC-8 SAE J1850 of "123456789" is 0x4B."""
    assert CHECKSUMS["crc8_sae_j1850"].of(b"123456789") == 0x4B


def test_every_message_with_a_checksum_is_checked(leaf: LoadedPack) -> None:
    """A message whose DBC has a Crc and a Counter is checked for both, over bytes 0 to 6; every quantity's for age."""
    for name, message in leaf.database.messages.items():
        if "Crc" in message.signals:
            check = leaf.model.checks[name]
            assert check.crc and (check.crc.first, check.crc.last, check.crc.byte) == (0, 6, 7)
            assert check.counter and check.counter.modulo == 1 << message.signals["Counter"].length
    assert {origin.message for origin in leaf.model.quantities.values()} <= leaf.model.checks.keys()


def test_keep_alive_frames_have_right_checksums(leaf: LoadedPack) -> None:
    """The listed frames carry the checksums the car would: CRC-8 in 0x1D4, a sum of nibbles in 0x1F2."""
    frames = {each.id: each.frames() for each in leaf.model.keep_alive}
    assert all(CHECKSUMS["crc8_0x85"].of(data[:7]) == data[7] for data in frames[0x1D4])
    # ss in 0x1F2: low nibble is the sum of all other nibbles, 2 and the counter's, modulo 16; from recorded frames.
    recorded = {0xB0: (0x8F, 0x80, 0x81, 0x82), 0xB4: (0x83, 0x84, 0x85, 0x86)}
    assert len(frames[0x1F2]) == 20
    assert all(data[7] == recorded[data[3]][data[6]] for data in frames[0x1F2])
    assert [data[6] for data in frames[0x1F2][:5]] == [0, 1, 2, 3, 0]
    assert len(frames[0x50B][0]) == 7 and len(frames[0x50C]) == 4


def test_only_the_new_generation_lists_its_extra_frames() -> None:
    """The ZE1 wants five more frames; 0x3B8 counts 0 to 14 while its second byte alternates."""
    ids = {name: {each.id for each in load_pack(find_pack(name)).model.keep_alive} for name in LEAFS}
    assert ids["leaf_ze0"] == ids["leaf_aze0"] == {0x1D4, 0x1F2, 0x50B, 0x50C}
    assert ids["leaf_ze1"] - ids["leaf_ze0"] == {0x355, 0x3B8, 0x5C5, 0x626, 0x5EC}
    counting = next(each for each in load_pack(find_pack("leaf_ze1")).model.keep_alive if each.id == 0x3B8).frames()
    assert [data[2] for data in counting] == [*range(15), *range(15)]
    assert all(data[1] == (0xE8, 0xC8)[index % 2] for index, data in enumerate(counting))


@pytest.mark.parametrize(
    ("old", "new", "key", "says"),
    [
        ("kind: observed", "kind: watched", "kind", "observed"),
        ("  soc:", "  soc: {message: A, signal: B}\n  soc:", "quantities.soc", "already in line"),
        ("signal: Voltage}", "signal: Volts}", "pack_voltage_v.signal", "expected a signal of LbcCurrentVoltage"),
        ("{message: LbcCapacity", "{message: LbcHealth", "soh.message", "expected a message of ev/leaf_aze0.dbc"),
        ("algorithm: crc8_0x85", "algorithm: crc9", "LbcCurrentVoltage.crc.algorithm", "expected one of crc8_0x85"),
        ("byte: 7", "byte: 8", "checks.LbcCurrentVoltage.crc", "expected bytes 0 to 7"),
        ("dbc: ev/leaf_aze0.dbc", "dbc: ev/leaf_azeo.dbc", "dbc", "cannot be used"),
        ("id: 0x50B", "id: 0x50B\n    colour: 7", "colour", "unknown key"),
        ("chemistry: leaf_lmo\n", "", "chemistry", "missing"),
        ("pack: leaf_aze0", "pack: leaf_other", "pack", "expected leaf_aze0, as the file is named"),
    ],
)
def test_a_wrong_pack_is_refused_with_its_place(tmp_path: Path, old: str, new: str, key: str, says: str) -> None:
    """Each mistake in a pack's YAML names file, line and key, and what was expected."""
    text = data_path("packs", "leaf_aze0.yaml").read_text()
    assert old in text
    path = tmp_path / "leaf_aze0.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        load_pack(path)
    problem = caught.value.problems[0]
    assert problem.file == str(path) and problem.line
    assert key in problem.key and says in problem.message, problem


OWN_DBC = """VERSION ""
NS_ :
BS_:
BU_: X
BO_ 256 PackState: 8 X
 SG_ StateOfCharge : 0|8@1+ (1,0) [0|100] "%" X
 SG_ Current : 8|16@1- (0.1,0) [0|0] "A" X
 SG_ Contactor : 24|1@1+ (1,0) [0|1] "" X
 SG_ Counter : 48|2@1+ (1,0) [0|3] "" X
"""


def test_the_pack_in_the_documentation_loads(tmp_path: Path) -> None:
    """The example in docs/import.md is a pack that loads with a DBC beside it."""
    page = (Path(__file__).parents[3] / "docs" / "import.md").read_text()
    (tmp_path / "my_pack.yaml").write_text(page.partition("```yaml\n")[2].partition("```")[0])
    (tmp_path / "my_pack.dbc").write_text(OWN_DBC)
    assert load_pack(tmp_path / "my_pack.yaml").model.quantities["soc"].factor == 0.01


def test_the_documentation_names_every_key_of_the_account() -> None:
    """Each key of the JSON stands in docs/import.md."""
    page = (Path(__file__).parents[3] / "docs" / "import.md").read_text()
    keys = [*Findings().as_json(), *MessageFindings("can0", "A").as_json()]
    assert [key for key in keys if key not in ("bus", "message") and f"`{key}`" not in page] == []
