"""What a cycle costs on the emulated Cortex-M3, in instructions; the same number on every machine."""

from __future__ import annotations

import pytest

from twolbms.config.pack import GuardedPack
from twolbms.config.site_packs import load_guarded_pack
from twolbms.files import data_path
from twolbms.scenario import instruction_count
from twolbms.scenario.instruction_count import UnlikeCPython, count_instructions, table, widened

pytestmark = pytest.mark.need("qemu")
FEW_CYCLES = 20


@pytest.fixture(scope="module")
def sixteen() -> GuardedPack:
    """16 cells of LiFePO4 with every limit of the eight."""
    return widened(load_guarded_pack(data_path("packs", "lfp_8s_320ah.yaml")), 16)


def test_counts_repeat_and_add_up(sixteen: GuardedPack) -> None:
    """Two runs count the same; what is not in a named part is the step itself, a small share."""
    one, other = (count_instructions(sixteen, FEW_CYCLES) for _ in range(2))
    assert one == other
    assert one.cells == 16 and sum(share.mean for share in one.shares) == one.mean <= one.worst
    *parts, rest = one.shares
    assert {share.part for share in parts} == set(instruction_count.PARTS) and all(share.mean > 0 for share in parts)
    assert 0 < rest.mean < one.mean / 3
    print(table(one))


def test_a_board_that_answers_otherwise_is_not_counted(
        sixteen: GuardedPack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts of a story that went another way than on CPython would mean nothing."""
    record = instruction_count._record
    monkeypatch.setattr(instruction_count, "_record", lambda *arguments: record(*arguments)._replace(check=0))
    with pytest.raises(UnlikeCPython):
        count_instructions(sixteen, FEW_CYCLES)
