"""A recording becomes a scenario, and the node does in it what it did when it was recorded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from twolbms.build.columns import limit_image
from twolbms.cli.program import run
from twolbms.config.pack import GuardedPack
from twolbms.diagnoses import CYCLE_MS
from twolbms.journal import Frame, JournalWriter
from twolbms.scenario.bench import Bench, node_database
from twolbms.scenario.judge import Observer
from twolbms.scenario.model import Scenario
from twolbms.scenario.nodes import CPythonNode, limits_object
from twolbms.scenario.play import load_scenario, play
from twolbms.scenario.record import Converted, Refused, Source, convert
from twolbms.scenario.told import Speaker, Told, read, speakers

STORIES = Path(__file__).resolve().parents[2] / "scenarios"
BEGAN_NS = 1_764_000_000 * 10**9
MS = 10**6
# Stories whose values lie further from their limits than the bus rounds; together they show every guess.
TOLD_WELL = (
    "lfp_8s_320ah/interlock", "lfp_8s_320ah/interlock_inside", "lfp_8s_320ah/emergency_stop", "lfp_8s_320ah/leak",
    "lfp_8s_320ah/open_wire", "lfp_8s_320ah/short_circuit", "lfp_8s_320ah/stale_reading", "lfp_8s_320ah/cold_morning",
    "lfp_8s_320ah/monitor_configuration", "lfp_8s_320ah/supply_voltage", "lfp_8s_320ah/path_feedback",
    "lfp_8s_320ah/feedback_welded", "lfp_8s_320ah/heater_stuck", "lfp_8s_320ah/requested_open",
    "lfp_8s_320ah/gateway_silent", "lfp_8s_320ah/node_memory", "lfp_8s_320ah/restart_loop",
    "lfp_8s_320ah/cycle_overrun", "leaf_2013_14s/implausible_reading", "leaf_2013_14s/silence_frozen",
    "leaf_2013_14s/charge_under_temperature_inside")


@dataclass
class Recorded:
    """What a story put on the bus, and what its node did when it changed: time, state, outputs, faults."""

    frames: list[Frame] = field(default_factory=list)
    did: list[tuple[int, Any]] = field(default_factory=list)
    end_ms: int = 0


def recorded(scenario: Scenario, pack: GuardedPack, gateway: bool = True) -> Recorded:
    """Plays `scenario` as `play` does, and keeps its frames with times as a gateway beside it would have them."""
    bench, seen = Bench(pack, node_database(), scenario.node), Observer(node_database())
    node = CPythonNode(limits_object(limit_image(pack)), scenario.node)
    found = Recorded()

    def cycle(now_ms: int) -> None:
        sent = list(bench.frames(now_ms))
        result = node.cycle(sent, bench.reading(scenario.clock_ms + now_ms))
        bench.outputs = result.outputs
        seen.take(result)
        if gateway:
            found.frames.extend(_framed(sent, now_ms - 20))
        found.frames.extend(_framed(result.frames, now_ms + 2))
        did = seen.value("PackState", "State"), result.outputs & 15, {t: set(r) for t, r in seen.faults.items()}
        if not found.did or found.did[-1][1] != did:
            found.did.append((now_ms, did))
        found.end_ms = now_ms

    now_ms = 0
    for step in scenario.steps:
        while now_ms < -(-step.at_ms // CYCLE_MS) * CYCLE_MS:
            cycle(now_ms)
            now_ms += CYCLE_MS
        if step.set:
            now_ms += step.set.pause_ms or 0
            bench.apply(step.set)
        cycle(now_ms)
        now_ms += CYCLE_MS
    return found


def _framed(frames: Iterable[tuple[int, bytes]], at_ms: int) -> Iterable[Frame]:
    return (Frame(BEGAN_NS + at_ms * MS + n * 300_000, "can0", can_id, True, data)
            for n, (can_id, data) in enumerate(frames))


def converted(frames: list[Frame], pack: GuardedPack) -> Converted:
    (speaker,) = speakers(frames)
    return convert(read(frames, speaker), pack, pack.pack, Source("journal", "here", "there"))


def again(text: str, folder: Path, pack: GuardedPack) -> Recorded:
    """The written file, loaded, held against its own expectations, and what the node did in it."""
    path = folder / "recorded.yaml"
    path.write_text(text, encoding="utf-8")
    scenario, _ = load_scenario(path)
    played = play(scenario, pack, CPythonNode(limits_object(limit_image(pack)), scenario.node))
    assert played.difference is None, str(played.difference)
    return recorded(scenario, pack)


def same(one: Recorded, other: Recorded) -> bool:
    """Whether both nodes did the same at the same times, as long as both ran."""
    end_ms = min(one.end_ms, other.end_ms)
    return [d for d in one.did if d[0] <= end_ms] == [d for d in other.did if d[0] <= end_ms]


@pytest.mark.parametrize("name", TOLD_WELL)
def test_a_recorded_story_goes_as_it_went(name: str, tmp_path: Path) -> None:
    """Recorded, converted and played again, every change of state, outputs and faults comes in the same cycle."""
    scenario, pack = load_scenario(STORIES / f"{name}.yaml")
    first = recorded(scenario, pack)
    made = converted(first.frames, pack)
    assert same(first, again(made.text, tmp_path, pack))
    assert made.cycles == len([f for f in first.frames if f.can_id >> 8 & 0xFF == 0x10])


@pytest.mark.parametrize("name", ["lfp_8s_320ah/gateway_silent", "lfp_8s_320ah/emergency_stop",
                                  "lfp_8s_320ah/interlock", "lfp_8s_320ah/silence_last_requested",
                                  "leaf_2013_14s/closing"])
def test_without_the_gateways_frames_its_answers_tell(name: str, tmp_path: Path) -> None:
    """A gateway does not hear itself: requests come from the answers, silence from the fault bit, to the cycle."""
    scenario, pack = load_scenario(STORIES / f"{name}.yaml")
    first = recorded(scenario, pack, gateway=False)
    made = converted(first.frames, pack)
    assert any("gateway's own frames are not in the recording" in note for note in made.notes)
    assert same(first, again(made.text, tmp_path, pack))


def lfp(name: str = "interlock") -> tuple[Recorded, GuardedPack]:
    scenario, pack = load_scenario(STORIES / "lfp_8s_320ah" / f"{name}.yaml")
    return recorded(scenario, pack), pack


def test_only_what_changed_is_written() -> None:
    """Of a pack at rest the readings stand in the first step alone; later ones hold what moved."""
    first, pack = lfp()
    text = converted(first.frames, pack).text
    assert text.count("cells_v") == 1 and text.count("temperatures_c") == 1 and text.count("interlock: open") == 1
    assert text.startswith("# A recording, made a scenario by 2lbms scenario from: journal, here to there,\n")
    assert "current to 0.02 A" in text and "Not told on the bus" in text


def test_what_was_told_is_what_is_set() -> None:
    """A current of 220.001 A was told as 220.00 A: it stays inside the limit that it had passed; the head says so."""
    scenario, pack = load_scenario(STORIES / "lfp_8s_320ah" / "charge_over_current.yaml")
    text = converted(recorded(scenario, pack).frames, pack).text
    assert "current_a: 220}" in text or "current_a: 220," in text
    assert "may fall on its other side" in text


def test_a_recording_from_the_middle_begins_with_a_boot(tmp_path: Path) -> None:
    """The node boots and is closed before the recorded part, whose times follow; the head says what is unknown."""
    first, pack = lfp("emergency_stop")
    late = [f for f in first.frames if f.time_ns >= BEGAN_NS + 2000 * MS]
    made = converted(late, pack)
    assert "The recording begins in the middle of a life" in made.text and "before the recording" in made.text
    second = again(made.text, tmp_path, pack)
    first_ms, second_ms = (next(at_ms for at_ms, (_, _, faults) in story.did if "emergency_stop" in faults["trip"])
                           for story in (first, second))
    moved = second_ms - first_ms
    assert moved >= 4000, "the lead is at least six seconds, the recording begins at two"
    assert [(at_ms + moved, did) for at_ms, did in first.did if at_ms >= 2000] == \
        [one for one in second.did if one[0] >= 2000 + moved]


def test_frames_that_were_lost_leave_things_as_they_were(tmp_path: Path) -> None:
    """Five cycles without a frame: time goes on, nothing changes, and the head counts them."""
    first, pack = lfp("interlock_inside")
    gap = range(BEGAN_NS + 3000 * MS, BEGAN_NS + 3500 * MS)
    made = converted([f for f in first.frames if f.time_ns not in gap], pack)
    assert "5 cycles were not heard" in made.text
    assert same(first, again(made.text, tmp_path, pack))


def test_damaged_frames_are_left_out_and_counted(tmp_path: Path) -> None:
    """A frame with a wrong CRC says nothing."""
    first, pack = lfp("interlock_inside")
    bad = next(n for n, f in enumerate(first.frames) if f.can_id >> 8 & 0xFF == 0x12 and n > 200)
    frame = first.frames[bad]
    first.frames[bad] = frame._replace(data=bytes((frame.data[0] ^ 0x10,)) + frame.data[1:])
    assert "1 frames were damaged" in converted(first.frames, pack).text


def test_the_story_ends_where_the_node_restarted() -> None:
    """A scenario is one life: what the next life did is left out, with a word."""
    first, pack = lfp("interlock_inside")
    second, _ = lfp("interlock_inside")
    later = [f._replace(time_ns=f.time_ns + first.end_ms * MS + 300 * MS) for f in second.frames]
    made = converted([*first.frames, *later], pack)
    assert "The node restarted" in made.text and made.cycles * CYCLE_MS <= first.end_ms + 400


def test_one_node_of_two_is_read() -> None:
    """Frames of another node on the bus, and the same node number on another bus, are none of its business."""
    first, _ = lfp("interlock_inside")
    other = [f._replace(can_id=f.can_id + 1) for f in first.frames if f.can_id & 0xFF == 1]
    away = [f._replace(bus="can1") for f in first.frames]
    frames = sorted([*first.frames, *other, *away], key=lambda f: f.time_ns)
    assert speakers(frames) == [Speaker("can0", 1), Speaker("can0", 2), Speaker("can1", 1)]
    told = read(frames, Speaker("can0", 1))
    assert len(told.cycles) == len(read(first.frames, Speaker("can0", 1)).cycles) and told.damaged == 0


def test_nothing_heard_is_refused(tmp_path: Path) -> None:
    """A range in which the node is silent gives no file."""
    _, pack = lfp()
    with pytest.raises(Refused, match="node 1 says nothing"):
        convert(Told(Speaker("can0", 1), [], 0, None, False), pack, pack.pack, Source("j", "a", "b"))


# --- the command ---

@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal of one story, with the wall time of its boot."""
    first, _ = lfp("emergency_stop")
    folder = tmp_path / "journal"
    writer = JournalWriter(folder, "ab" * 16, now_ns=lambda: BEGAN_NS)
    writer.fix_wall(0, "ntp")
    for frame in first.frames:
        writer.frame(*frame)
    assert writer.flush(10.0)
    writer.close()
    return folder


FROM_TO = ("--from", "2025-11-24T15:59:50Z", "--to", "2025-11-24T16:59:59Z")


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = run(["scenario", "from", *arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_a_journal_becomes_a_file_that_holds(journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The pack is found by the hash the node tells, the file is written and played: exit status 0."""
    out = tmp_path / "story.yaml"
    status, said, err = told(capsys, str(journal), *FROM_TO, "-o", str(out))
    assert status == 0, said + err
    assert said.startswith(f"holds    {out}: ") and "steps of" in err
    text = out.read_text(encoding="utf-8")
    assert "\npack: lfp_8s_320ah\n" in text and "emergency_stop: pressed" in text
    status, said, _ = told(capsys, str(journal), *FROM_TO)
    assert status == 0 and said == text


def test_what_cannot_be_converted_is_told_in_a_sentence(journal: Path, tmp_path: Path,
                                                         capsys: pytest.CaptureFixture[str]) -> None:
    """No journal, no frames there, no such node, no such pack, no such time, no place to write: exit status 2."""
    for arguments, words in (
            ((str(tmp_path / "none"), *FROM_TO), "no such journal folder"),
            ((str(journal), "--from", "-1h", "--to", "-1m"), "no frames between"),
            ((str(journal), *FROM_TO, "--node", "7"), "heard there: node 1 on can0; expected one"),
            ((str(journal), *FROM_TO, "--pack", "lfp_8s_320a"), "did you mean lfp_8s_320ah?"),
            ((str(journal), "--from", "yesterday", "--to", "-1m"), "expected a time"),
            ((str(journal), *FROM_TO, "-o", str(tmp_path / "no" / "story.yaml")), "No such file or directory")):
        status, said, err = told(capsys, *arguments)
        assert status == 2 and words in err and not said, arguments


def test_a_replay_that_differs_is_exit_status_1(journal: Path, tmp_path: Path,
                                                capsys: pytest.CaptureFixture[str]) -> None:
    """On a pack with other limits the node does otherwise: the file is written, the first difference is told."""
    from twolbms.files import data_path

    text = data_path("packs", "lfp_8s_320ah.yaml").read_text(encoding="utf-8")
    row = text[text.index("  emergency_stop:"):].split("\n")[1]
    (tmp_path / "other.yaml").write_text(text.replace(row, row.replace("delay_s: 0.0", "delay_s: 9.0")))
    out = tmp_path / "story.yaml"
    status, said, _ = told(capsys, str(journal), *FROM_TO, "--pack", "./other.yaml", "-o", str(out))
    assert status == 1 and said.startswith(f"differs  {out}: at ")
