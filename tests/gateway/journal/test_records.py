from __future__ import annotations

import pytest

from twolbms.journal import Cursor


def test_cursor_text_round_trip():
    """A cursor survives being written down as text, which is how an outlet keeps it."""
    cursor = Cursor("sample", 3, 4096)
    assert str(cursor) == "sample:3:4096"
    assert Cursor.parse("sample:3:4096") == cursor


@pytest.mark.parametrize("text", ["", "sample", "sample:3", "sample:3:x", "sample:-1:0", "voltage:1:0", "sample:1:0:0"])
def test_cursor_refuses_other_text(text):
    """A text that is no cursor is refused with what was expected, never read as the journal's beginning."""
    with pytest.raises(ValueError, match="expected family:segment:offset"):
        Cursor.parse(text)
