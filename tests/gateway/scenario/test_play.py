"""How a story runs: time, packs beside it, the first difference, and a node that dies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from twolbms.build.columns import limit_image
from twolbms.cli.program import run
from twolbms.config.site_packs import load_guarded_pack
from twolbms.files import data_path
from twolbms.scenario.bench import Bench, node_database
from twolbms.scenario.model import Scenario
from twolbms.scenario.nodes import CPythonNode, MicroPythonNode, NodeDied, limits_object
from twolbms.scenario.play import play, play_file

HEAD = "scenario: A short story\npack: lfp_8s_320ah\nsteps:\n"


def story(folder: Path, *steps: str, head: str = HEAD, name: str = "story.yaml") -> Path:
    path = folder / name
    path.write_text(head + "".join(f"  - {step}\n" for step in steps))
    return path


def test_one_cycle_runs_every_100_ms_up_to_the_step(tmp_path: Path) -> None:
    """A step at 950 ms is the cycle at 1,000 ms; a pause leaves its cycles out."""
    assert play_file(story(tmp_path, "{at_ms: 0}", "{at_ms: 950}")).cycles == 11
    assert (
        play_file(story(tmp_path, "{at_ms: 0}", "{at_ms: 1000, set: {pause_ms: 5000}}", "{at_ms: 6100}")).cycles == 12
    )


def test_the_first_difference_ends_the_story(tmp_path: Path) -> None:
    """Time, key, what was expected and what was found; later steps do not run."""
    played = play_file(
        story(
            tmp_path,
            "{at_ms: 0, expect: {state: boot}}",
            "{at_ms: 500, expect: {state: closed}}",
            "{at_ms: 5000, expect: {state: open}}",
        )
    )
    assert str(played.difference) == "at 500 ms: state: expected closed, found boot"
    assert played.cycles == 6 and played.expectations == 2


def test_what_was_never_sent_is_nothing(tmp_path: Path) -> None:
    """An answer that never came is told as nothing, and an empty tier as none."""
    assert "found nothing" in str(
        play_file(story(tmp_path, "{at_ms: 0, expect: {answer: {answer: accepted}}}")).difference
    )
    assert "found none" in str(
        play_file(story(tmp_path, "{at_ms: 0, expect: {faults: {trip: [interlock]}}}")).difference
    )


def test_a_pack_lies_beside_its_story(tmp_path: Path) -> None:
    """A path from the story's own folder finds the pack, with its own numbers, even under a name of ours."""
    text = data_path("packs", "lfp_8s_320ah.yaml").read_text(encoding="utf-8")
    assert text.count("trip: 3.65, clear: 3.45, delay_s: 2.0") == 1
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "pack.yaml").write_text(
        text.replace("trip: 3.65, clear: 3.45, delay_s: 2.0", "trip: 3.7, clear: 3.45, delay_s: 0.5")
    )
    path = story(
        tmp_path,
        "{at_ms: 0}",
        "{at_ms: 3000, set: {cell_v: {1: 3.7}}}",
        "{at_ms: 4000, expect: {faults: {trip: []}}}",
        "{at_ms: 5000, set: {cell_v: {1: 3.701}}}",
        "{at_ms: 5500, expect: {faults: {trip: [cell_over_voltage]}}}",
        head=HEAD.replace("lfp_8s_320ah", "mine/pack.yaml"),
    )
    assert play_file(path).difference is None


@pytest.mark.need("micropython32")
def test_micropython_has_the_numbers_of_the_pack_beside(tmp_path: Path) -> None:
    """A pack of the same name as one in the firmware is played with its own limits on MicroPython too."""
    test_a_pack_lies_beside_its_story(tmp_path)
    assert play_file(tmp_path / "story.yaml", "micropython").difference is None


def test_a_node_that_raises_is_dead_not_a_traceback() -> None:
    """Firmware that fails in a cycle is a difference with its error; the outputs of a dead node are off."""
    pack = load_guarded_pack(data_path("packs", "lfp_8s_320ah.yaml"))
    node = CPythonNode(limits_object(limit_image(pack)), 1)
    node.node.heat.limits = None
    played = play(Scenario(scenario="dies", pack=pack.pack, steps=[{"at_ms": 0}]), pack, node)
    assert played.difference is not None and "dead: AttributeError" in str(played.difference)


@pytest.mark.parametrize(("feedback", "told"), [
    ("follows", 3), ("charge_open", 2), ("discharge_open", 1), ("all_open", 0), ("all_closed", 15)])
def test_one_contact_can_contradict_while_the_other_follows(feedback: str, told: int) -> None:
    """With both paths commanded each contact reads what the bench says of it (bits: charge 1, discharge 2)."""
    bench = Bench(load_guarded_pack(data_path("packs", "lfp_16s_280ah.yaml")), node_database(), 1)
    bench.outputs, bench.feedback = 3, feedback
    assert bench.reading(0).flags & 15 == told
    bench.outputs, bench.feedback = 0, "charge_closed"
    assert bench.reading(100).flags & 15 == 1


def test_a_charge_port_of_its_own_does_not_lift_the_link() -> None:
    """With separate ports the link is the discharge port's; with FETs either path lifts it."""
    for name, lifted in (("lfp_16s_280ah", 0), ("lfp_8s_320ah", 8 * 3300)):
        bench = Bench(load_guarded_pack(data_path("packs", f"{name}.yaml")), node_database(), 1)
        bench.outputs = 1
        assert bench.reading(0).link_mv == lifted


def test_a_runtime_that_ends_is_a_dead_node() -> None:
    """A MicroPython that stops in the middle is told with its last words, and closing it again is no error."""
    pack = load_guarded_pack(data_path("packs", "lfp_8s_320ah.yaml"))
    node = MicroPythonNode(pack, 1, program="/bin/false")
    with pytest.raises(NodeDied):
        node.cycle([], Bench(pack, node_database(), 1).reading(0))
    node.close()


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = run(["scenario", *arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_exit_status_is_0_1_or_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 holds, 1 differs with the first difference, 2 is a bad file with line and key; of several the worst."""
    good = str(story(tmp_path, "{at_ms: 0, expect: {state: boot}}", name="good.yaml"))
    differs = str(story(tmp_path, "{at_ms: 0, expect: {state: open}}", name="differs.yaml"))
    bad = str(story(tmp_path, "{at_ms: 0, expect: {state: shut}}", name="bad.yaml"))
    assert told(capsys, good)[0] == 0
    status, out, _ = told(capsys, good, differs)
    assert status == 1 and "at 0 ms: state: expected open, found boot" in out
    status, _, err = told(capsys, bad, differs, good)
    assert status == 2 and err.startswith(f"{bad}:4:") and "steps[0].expect.state" in err
    assert told(capsys, str(tmp_path / "none.yaml"))[0] == 2 and told(capsys, str(tmp_path))[0] == 2


def test_json_is_one_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A program reads status, difference, problems with lines, and frames from one JSON object."""
    differs = story(tmp_path, "{at_ms: 0, expect: {state: open}}", name="differs.yaml")
    bad = story(tmp_path, "{at_ms: -1}", name="bad.yaml")
    status, out, _ = told(capsys, "--json", "--frames", str(differs), str(bad))
    one, two = json.loads(out)["scenarios"]
    assert status == 2 and (one["status"], two["status"]) == (1, 2)
    assert one["difference"]["what"] == "state" and one["frames"][0][0].startswith("0CFF1001#")
    assert two["problems"][0]["line"] == 4 and two["problems"][0]["key"] == "steps[0].at_ms"


def test_frames_are_printed_cycle_by_cycle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--frames shows every frame of each cycle with id and data."""
    _, out, _ = told(capsys, "--frames", str(story(tmp_path, "{at_ms: 200}")))
    lines = out.splitlines()
    assert [line.split()[:2] for line in lines[:3]] == [["cycle", "0:"], ["cycle", "1:"], ["cycle", "2:"]]
    assert all("0CFF1201#" in line for line in lines[:3]) and lines[3].startswith("holds")
