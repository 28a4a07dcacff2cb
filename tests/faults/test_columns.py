"""What the kills of `make faults` found in bulk decoding: two long signals of one coding in one frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from faults.feeder import NUMBERED_ID, dbc_text, numbered
from twolbms.decode import compile_database
from twolbms.decode.line_columns import TableWriter
from twolbms.decode.lines import LineWriter
from twolbms.decode.table import FrameTable


def test_two_signals_of_one_coding_keep_their_own_texts(tmp_path: Path) -> None:
    """A column with more values than are remembered does not overwrite the texts of the column before it."""
    (tmp_path / "numbered.dbc").write_text(dbc_text())
    database, count = compile_database(tmp_path / "numbered.dbc"), 9000
    ids = np.array([NUMBERED_ID + n % 4 for n in range(count)], dtype=np.int64)
    data = np.frombuffer(b"".join(map(numbered, range(count))), dtype=np.uint8).reshape(count, 8)
    table = FrameTable(np.arange(count, dtype=np.int64) + 10**18, np.zeros(count, np.int64), ids, np.ones(count, bool),
                       np.zeros(count, np.int64), np.full(count, 8, np.int64), data, ["can0"])
    one_by_one = LineWriter(database, "home")
    wanted = {one_by_one.line("can0", NUMBERED_ID + n % 4, True, numbered(n), 10**18 + n) for n in range(count)}
    assert set(TableWriter(database, "home").lines(table).text.decode().splitlines()) == wanted
