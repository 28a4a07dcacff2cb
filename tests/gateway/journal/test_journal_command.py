"""`2lbms journal`: what it says of a journal, also while it is written, and what its exit status is."""

from __future__ import annotations

import json
import shutil

import pytest
from click.testing import CliRunner

import twolbms.journal.wear as wear
from twolbms.cli.journal import journal_command
from twolbms.cli.journal_card import card_told
from twolbms.journal import Frame, JournalReader, JournalWriter, Keep, Retention, Room, Series
from twolbms.journal.wear import Growth, card_bytes, growth

A, B, C = "aa" * 16, "bb" * 16, "cc" * 16
S = 10**9
START_NS = 1_763_965_800 * S  # 2025-11-24T06:30:00Z, by `date -ud @1763965800`
CELL = Series("cell_voltage_v", "north", 3)


@pytest.fixture
def run():
    def invoked(*arguments):
        return CliRunner().invoke(journal_command, [str(argument) for argument in arguments], standalone_mode=False)

    return invoked


@pytest.fixture(scope="module")
def three_boots(tmp_path_factory):
    """Three boots of ten minutes: one placed by the network, one never, one by a guess that has lost frames."""
    folder = tmp_path_factory.mktemp("three_boots") / "journal"
    for boot_id, wall in ((A, (START_NS, "network")), (B, None), (C, (START_NS + 3600 * S, "guessed"))):
        writer = JournalWriter(folder, boot_id, now_ns=lambda: 30 * S, room=Room(frame=50))
        if wall:
            writer.fix_wall(*wall)
        for second in range(30, 630, 10):
            writer.sample(CELL, second * S, 3.3)
            writer.frames([Frame(second * S + number, "can0", 5, False, bytes(8))
                           for number in range(80 if (boot_id, second) == (C, 100) else 10)])
            assert writer.flush(5)
        writer.event(629 * S, "note", "", {})
        writer.close()
    return folder


@pytest.fixture
def written(three_boots, folder):
    """A copy of it."""
    return shutil.copytree(three_boots, folder)


def spoil(path, offset: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[offset] ^= 1
    path.write_bytes(raw)


def test_check_tells_what_is_there(run, written):
    """A whole journal: families, boots with their clocks, gaps and losses in words with times, exit status 0."""
    result = run("check", written)
    assert result.return_value == 0
    for words in ("sample              180", "2025-11-24 06:30:30  2025-11-24 07:40:20", "aaaaaaaa  network",
                  "bbbbbbbb  none", "cccccccc  guessed", "the wall time was never known", "gaps     2",
                  "the end of boot aaaaaaaa to the start of boot bbbbbbbb: the gateway was stopped and the machine",
                  "the end of boot bbbbbbbb to 2025-11-24 07:30:30", "lost     30 records",
                  "30 frames from 2025-11-24 07:31:40 to 2025-11-24 07:31:40: records came faster",
                  "none: every block is as it was written"):
        assert words in result.output
    told = json.loads(run("check", written, "--json").output)
    assert told["ok"] is True
    assert told["families"]["sample"]["records"] == 180
    assert [(boot["clock"], boot["from_ns"]) for boot in told["boots"]] == [
        ("network", START_NS + 30 * S), (None, None), ("guessed", START_NS + 3630 * S)]
    assert told["lost"][0]["frame"] == 30


def test_check_tells_what_damage_costs(run, written):
    """A damaged payload costs so many records of such times, a damaged header what lies between; exit status 1."""
    blocks = list(JournalReader(written).blocks("frame"))
    path = written / "frame" / "00000001.seg"
    spoil(path, blocks[3].next.offset + 62)
    spoil(path, blocks[10].next.offset + 2)
    (written / "boots").write_bytes((written / "boots").read_bytes() + b"no such line\n")
    result = run("check", written)
    assert result.return_value == 1
    assert "costs 10 records between 2025-11-24 06:31:10 and 2025-11-24 06:31:10" in result.output
    assert "costs what was recorded between 2025-11-24 06:32:10 and 2025-11-24 06:32:30" in result.output
    assert "boots: 1 damaged lines" in result.output
    assert "2lbms journal repair" in result.output
    first, second = json.loads(run("check", written, "--json").output)["damage"]
    assert (first["records"], second["records"], first["file"]) == (10, None, "frame/00000001.seg")
    assert second["to_byte"] == blocks[11].next.offset


def test_check_and_gaps_while_it_is_written(run, open_writer, folder):
    """While a writer has the folder, check and gaps work and find it whole."""
    writer = open_writer()
    writer.fix_wall(START_NS, "rtc")
    writer.sample(CELL, 1, 1.0)
    assert writer.flush(5)
    assert run("check", folder).return_value == 0
    result = run("gaps", folder)
    assert result.return_value == 0
    assert "none: the gateway has written all the time" in result.output


def test_gaps_says_that_records_were_lost(run, written):
    """With lost records the exit status of gaps is 1."""
    result = run("gaps", written)
    assert result.return_value == 1
    assert "lost     30 records" in result.output


def test_a_gap_over_a_clock_that_went_back(run, open_writer, folder):
    """Where the clock of the boot after stood before the end of the boot before, the gap says so."""
    for boot_id, wall_ns in ((A, START_NS), (B, START_NS - 3600 * S)):
        writer = open_writer(boot_id, now_ns=lambda: 0)
        writer.fix_wall(wall_ns, "rtc")
        writer.sample(CELL, 60 * S, 1.0)
        assert writer.flush(5)
        writer.close()
    assert "(the clock went back by 1 h 1 min or more)" in run("gaps", folder).output


def test_repair_from_the_command(run, written):
    """Repair says what it did, check is content afterwards, and the kept file goes only with --remove-bad."""
    spoil(written / "frame" / "00000001.seg", 70)
    result = run("repair", written)
    assert result.return_value == 0
    assert "frame/00000001.seg: 1 damaged stretches blanked; the old file is kept as frame/00000001.seg.bad" in (
        result.output)
    assert "nothing to mend" in run("repair", written).output
    checked = run("check", written)
    assert checked.return_value == 0
    assert "kept     1 damaged files" in checked.output
    assert "frame/00000001.seg.bad: removed" in run("repair", written, "--remove-bad").output
    assert not (written / "frame" / "00000001.seg.bad").exists()


def test_repair_says_what_is_left(run, written):
    """What cannot be mended, such as a missing file, is named; exit status 1."""
    shutil.copy(written / "sample" / "00000003.seg", written / "sample" / "00000005.seg")
    result = run("repair", written, "--json")
    assert result.return_value == 1
    assert json.loads(result.output)["left"] == ["sample: segments 4 to 4 are missing"]


def test_repair_is_refused_while_the_gateway_runs(run, open_writer, folder):
    """With a writer at work repair changes nothing and says what to do; exit status 2."""
    open_writer()
    for arguments in ((), ("--remove-bad",)):
        error = run("repair", folder, *arguments).exception
        assert "stop that one first" in error.message
        assert error.exit_code == 2


@pytest.mark.parametrize(("name", "words"), [
    ("nowhere", "there is no such journal folder"), ("", "this is no journal")])
def test_a_folder_that_is_no_journal(run, tmp_path, name, words):
    """A folder that is not there or holds no records is refused in a sentence; exit status 2."""
    for command in ("check", "gaps", "repair", "card"):
        error = run(command, tmp_path / name).exception
        assert (words in str(error.message), error.exit_code) == (True, 2)


def test_a_site_file_names_its_journal(run, written, tmp_path):
    """Given the site file, the journal is the one it names, and its rules for keeping are those of the card's sums."""
    site = tmp_path / "site.yaml"
    site.write_text("""site: bench
journal: {folder: journal, keep: {frame: {size: "3 MiB"}}}
buses: [{name: can, interface: virtual, channel: test}]
packs: [{name: north, type: lfp_16s_120ah, node: 1, bus: can}]
""")
    assert json.loads(run("check", site, "--json").output)["journal"] == str(written)
    assert json.loads(run("card", site, "--json").output)["families"]["frame"]["keep_bytes"] == 3 << 20
    assert "kept: as much as by default" in run("card", written).output
    assert "kept: as much as by default" not in run("card", site).output


# --- card ---

def test_growth_counts_bytes_syncs_and_time(open_writer, folder):
    """Growth is the newest day: bytes and seconds with a block in them, over the time of the busiest family."""
    writer = open_writer()
    for second in range(100):
        writer.sample(CELL, second * S, 3.3)
        assert writer.flush(5)
        writer.sample(CELL, second * S + 5, 3.3)
        assert writer.flush(5)
        if second % 50 == 0:
            writer.event(second * S, "note", "", {})
    assert writer.flush(5)
    writer.close()
    found = growth(folder)
    assert found["sample"].seconds == found["event"].seconds == pytest.approx(99, abs=0.1)
    assert (found["sample"].syncs, found["event"].syncs, found["frame"].syncs) == (100, 2, 0)
    assert found["sample"].bytes == (folder / "sample" / "00000001.seg").stat().st_size
    assert growth(folder, recent_s=10)["sample"].syncs == 10


def test_time_in_which_nobody_wrote_does_not_count(open_writer, folder):
    """Two boots of 60 s are two minutes of growth, however long nobody wrote between them."""
    for boot_id in (A, B):
        writer = open_writer(boot_id, now_ns=lambda: 5 * S)
        for second in range(5, 66, 10):
            writer.sample(CELL, second * S, 3.3)
            assert writer.flush(5)
        writer.close()
    assert growth(folder)["sample"].seconds == pytest.approx(120)


@pytest.mark.parametrize(("written", "blocks"), [(300, 1.24), (1500, 1.94), (6000, 4.47), (20_000, 8.96)])
def test_the_model_of_a_card(written, blocks):
    """The model gives what was counted on a loop device within 7 percent."""
    assert card_bytes(written) / 4096 == pytest.approx(blocks, rel=0.07)


def test_days_to_last_and_to_drop(folder):
    """Endurance by what the card writes a day, and each family's days until its oldest go, from its own growth."""
    folder.mkdir()
    growths = {family: Growth(86_400, 0, 0) for family in Retention._fields}
    growths["frame"] = Growth(86_400, 40_000_000, 80_000)
    told = card_told(folder, growths, Retention(frame=Keep(200_000_000)), 10, 2)
    assert told["card_bytes_a_day"] == pytest.approx(80_000 * card_bytes(500))
    assert told["card_days"] == pytest.approx(10e12 / (2 * 80_000 * card_bytes(500)))
    assert told["families"]["frame"]["drops_in_days"] == pytest.approx(5)
    assert told["families"]["sample"]["drops_in_days"] is None
    assert (told["ok"], told["endurance_assumed"]) == (True, False)
    aged = card_told(folder, growths, Retention(frame=Keep(200_000_000, 86_400)), 10, 2)
    assert aged["families"]["frame"]["kept_days"] == pytest.approx(1)


def test_a_disk_too_small_for_what_is_kept(run, written):
    """Where the rules keep more than the disk has, card says by how much, and exits with 1."""
    told = card_told(written, growth(written), Retention(sample=Keep(1 << 60)), None, 4)
    assert told["ok"] is False
    assert told["room_short_bytes"] > 1 << 59
    assert told["full_in_days"] > 0
    result = run("card", written, "--endurance", "64")
    assert "endurance 64.0 TB (as given)" in result.output
    assert "The card lasts" in result.output


def test_too_young_to_tell(run, open_writer, folder):
    """A journal of seconds is too little to tell from, and card says so."""
    writer = open_writer()
    writer.sample(CELL, 1, 1.0)
    assert writer.flush(5)
    result = run("card", folder)
    assert result.return_value == 1
    assert "too little to tell from" in result.output
    assert wear.growth(folder)["sample"].bytes > 0
