"""What a compiled database answers for ids, lengths, pages and missing values, and what it refuses to load."""

from __future__ import annotations

from pathlib import Path

import pytest

from twolbms.decode import DatabaseError, EncodeRefused, Refused, compile_database
from twolbms.files import data_path

HEAD = 'VERSION ""\nNS_ :\nBS_:\nBU_: X\n'
SMALL = (
    HEAD
    + """BO_ 291 Plain: 4 X
 SG_ Level : 0|8@1+ (0.5,0) [0|127] "V" X
 SG_ Flow : 15|16@0- (0.1,0) [-100|100] "A" X
 SG_ Mode : 24|4@1+ (1,0) [0|15] "" X

BO_ 2147484195 Long: 2 X
 SG_ Page M : 0|8@1+ (1,0) [0|255] "" X
 SG_ Left m1 : 8|8@1+ (1,0) [0|255] "" X
 SG_ Right m2 : 8|8@1- (1,0) [0|255] "" X

BA_DEF_ BO_ "GenMsgCycleTime" INT 0 3600000;
BA_DEF_DEF_ "GenMsgCycleTime" 0;
BA_ "GenMsgCycleTime" BO_ 291 250;
VAL_ 291 Level 255 "Not available" 254 "NOT_AVAILABLE" 1 "Low" ;
VAL_ 291 Flow -1 "NotAvailable" ;
VAL_ 291 Mode 1 "Drive" 2 "Charge" 15 "not Available" ;
"""
)


def test_values_come_scaled_in_both_byte_orders() -> None:
    """A frame gives the physical values the DBC describes."""
    got = compile_database(SMALL).decode(291, False, bytes([10, 0xFF, 0x9C, 2]))
    assert got == {"Level": 5.0, "Flow": -100 * 0.1, "Mode": 2}


def test_an_extended_id_never_matches_a_standard_message() -> None:
    """Standard and extended ids of the same number are different messages."""
    db = compile_database(SMALL)
    assert db.decode(291, True, bytes(4)) is Refused.UNKNOWN_ID
    assert db.decode(0x223, False, bytes(2)) is Refused.UNKNOWN_ID
    assert db.decode(0x223, True, bytes([1, 7])) == {"Page": 1, "Left": 7}


def test_a_short_frame_is_refused_and_a_long_one_read_by_its_first_bytes() -> None:
    """Missing bytes give no value at all; bytes beyond the message are not looked at."""
    db = compile_database(SMALL)
    assert db.decode(291, False, bytes(3)) is Refused.SHORT
    assert db.decode(0x223, True, b"\x01") is Refused.SHORT
    assert db.decode(291, False, bytes([10, 0, 10, 2, 99, 99])) == {"Level": 5.0, "Flow": 1.0, "Mode": 2}


def test_a_page_the_file_does_not_name_is_refused() -> None:
    """A multiplexer number without a page is told apart from an unknown id."""
    assert compile_database(SMALL).decode(0x223, True, bytes([9, 9])) is Refused.BAD_MULTIPLEXER


def test_not_available_is_none_and_takes_no_other_signal_with_it() -> None:
    """Each raw value named "not available", in any spelling, becomes None; the other signals keep their values."""
    db = compile_database(SMALL)
    assert db.decode_values(291, False, bytes([255, 0, 10, 15])) == {"Level": None, "Flow": 1.0, "Mode": None}
    assert db.decode_values(291, False, bytes([254, 255, 255, 1])) == {"Level": None, "Flow": None, "Mode": 1}
    assert db.decode(291, False, bytes([255, 0, 10, 15])) == {"Level": 127.5, "Flow": 1.0, "Mode": 15}


def test_a_message_tells_its_period_unit_and_codes() -> None:
    """What the file says beside the bits is at hand: period, unit, names of values, codes for no value."""
    message = compile_database(SMALL).message("Plain")
    assert message.cycle_time_s == 0.25
    assert compile_database(SMALL).message("Long").cycle_time_s is None
    assert message.signals["Flow"].unit == "A"
    assert message.signals["Level"].not_available == (255, 254)
    assert message.signals["Mode"].choices[2] == "Charge"


def test_a_mask_leaves_the_node_number_out_of_the_id() -> None:
    """With a mask, one message answers for every node number in the low byte, and only for extended ids."""
    db = compile_database(data_path("dbc", "node.dbc"), id_mask=0x1FFFFF00)
    values = dict.fromkeys(db.message("PackValues").signals, 0) | {"PackVoltage": 26.4, "PackCurrent": -12.5}
    data = db.message("PackValues").encode(values)
    base = db.message("PackValues").frame_id
    for node in (0, 1, 127):
        got = db.decode(base | node, True, data)
        assert isinstance(got, dict)
        assert (got["PackVoltage"], got["PackCurrent"]) == (pytest.approx(26.4), pytest.approx(-12.5))
    assert db.find(base | 5, True) is db.message("PackValues")
    assert db.decode(base & 0x7FF, False, data) is Refused.UNKNOWN_ID


def test_a_mask_leaves_standard_ids_whole() -> None:
    """The mask is for 29-bit ids: an 11-bit id keeps all of its bits."""
    db = compile_database(SMALL, id_mask=0x1FFFFF00)
    assert isinstance(db.decode(291, False, bytes(4)), dict)
    assert db.decode(290, False, bytes(4)) is Refused.UNKNOWN_ID


def test_a_mask_under_which_two_messages_look_alike_is_refused() -> None:
    """A database whose messages could be mixed up does not load."""
    text = HEAD + "BO_ 2147483905 A: 1 X\n\nBO_ 2147483906 B: 1 X\n"
    compile_database(text)
    with pytest.raises(DatabaseError, match=r"A|B"):
        compile_database(text, id_mask=0x1FFFFF00)


def test_a_file_cantools_refuses_is_refused_with_its_name(tmp_path: Path) -> None:
    """A broken DBC stops the start, naming the file."""
    path = tmp_path / "broken.dbc"
    path.write_text('BO_ 291 Plain 4 X\n SG_ Level : 0|8@1+ (0.5,0) [0|127] "V" X\n')
    with pytest.raises(DatabaseError, match=r"broken\.dbc"):
        compile_database(path)


ONE = 'BO_ 1 A: 1 X\n SG_ P : 0|8@1+ (1,0) [0|0] "" X\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a.dbc: the file is empty; get the file again from where it came"),
        ("hello", "a.dbc:1: this is no DBC: it names no message (no line begins with BO_); name a DBC file"),
        (HEAD, "a.dbc: it names no message (no line begins with BO_); name a DBC file that has some"),
        (HEAD + "BO_ 1 A 1 X\n",
         "a.dbc:5: column 9 is not written as in a DBC: BO_ 1 A 1 X; correct this line, or save the file again with "
         "a DBC editor"),
        (HEAD + ONE + ' SG_ Q : 4|2@1+ (1,0) [0|0] "" X\n',
         "a.dbc:7: the signals Q and P of the message A share bits; correct the start bit or length of one of them, or "
         "give them their multiplexer"),
        (HEAD + ONE.replace("0|8", "0|9"),
         "a.dbc:6: the signal P reaches beyond the end of the message A; correct its start bit or length, or the "
         "length of the message"),
        (HEAD + ONE + "\nBO_ 1 B: 1 X\n", "a.dbc:8: the messages B and A (line 5) have the same id 0x1; delete one of "
                                          "them, or correct its id"),
        (HEAD + ONE + "\nSIG_VALTYPE_ 1 P : 1;\n",
         "a.dbc: message A: signal P: a float of 8 bits; expected 16, 32 or 64; correct it, or leave it out"),
    ],
)
def test_what_is_wrong_with_a_file_and_what_to_do(tmp_path: Path, text: str, says: str) -> None:
    """One sentence with the file, the line where it is known, what is wrong and what to do."""
    path = tmp_path / "a.dbc"
    path.write_bytes(text.encode("cp1252"))
    with pytest.raises(DatabaseError) as caught:
        compile_database(path)
    assert str(caught.value) == f"{tmp_path}/{says}"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """So is one that is not there, is a folder, or is saved in another encoding."""
    with pytest.raises(DatabaseError, match=r"a\.dbc: it cannot be read \(No such file or directory\); check its name"):
        compile_database(tmp_path / "a.dbc")
    with pytest.raises(DatabaseError, match=r"it cannot be read \(Is a directory\)"):
        compile_database(tmp_path)
    (tmp_path / "a.dbc").write_text(HEAD + ONE, encoding="utf-16")
    with pytest.raises(DatabaseError, match=r"a\.dbc:1: it is saved as UTF-16; save it as Windows-1252"):
        compile_database(tmp_path / "a.dbc")


def test_of_two_messages_of_one_name_both_are_decoded() -> None:
    """A name that stands twice in a file takes no message away; by name the later one is found."""
    database = compile_database(HEAD + ONE + ONE.replace("BO_ 1", "BO_ 2").replace("P", "Q"))
    assert database.decode(1, False, b"\x05") == {"P": 5}
    assert database.decode(2, False, b"\x05") == {"Q": 5}
    assert list(database.message("A").signals) == ["Q"]


def test_overlapping_signals_are_refused_unless_asked_for() -> None:
    """A file whose signals overlap loads only with strict=False."""
    text = HEAD + 'BO_ 1 A: 1 X\n SG_ P : 0|8@1+ (1,0) [0|0] "" X\n SG_ Q : 4|4@1+ (1,0) [0|0] "" X\n'
    with pytest.raises(DatabaseError):
        compile_database(text)
    assert compile_database(text, strict=False).decode(1, False, b"\xa5") == {"P": 165, "Q": 10}


def test_encode_rounds_as_the_file_or_the_caller_says() -> None:
    """A request's allowance is cut toward zero because its DBC attribute says so; the caller may ask for nearest."""
    request = compile_database(data_path("dbc", "node.dbc")).message("NodeRequest")
    values: dict[str, int | float | str | None] = dict.fromkeys(request.signals, 0)
    values |= {"ChargeCurrentAsked": 10.24, "Request": "Allowance"}
    cut = request.decode(request.encode(values))
    near = request.decode(request.encode(values, "nearest"))
    assert isinstance(cut, dict) and isinstance(near, dict)
    assert (cut["ChargeCurrentAsked"], near["ChargeCurrentAsked"], cut["Request"]) == (10.0, 10.25, 3)


@pytest.mark.parametrize(("value", "raw"), [(0.2, 1), (0.6, 3), (10.2, 51), (10.39, 51), (66.6, 333), (818.8, 4094)])
def test_cutting_toward_zero_keeps_a_value_that_is_already_a_whole_step(value: float, raw: int) -> None:
    """A value on a step is sent as that step, however its quotient comes out in binary (0.6 / 0.2 is 2.99...)."""
    text = HEAD + 'BO_ 1 A: 2 X\n SG_ P : 0|12@1+ (0.2,0) [0|819] "" X\n'
    message = compile_database(text).message("A")
    assert message.encode({"P": value}, "toward_zero") == raw.to_bytes(2, "little")


def test_encode_says_not_available_and_looks_texts_up() -> None:
    """None becomes the code for no value, and a text the number the value table gives it."""
    message = compile_database(SMALL).message("Plain")
    assert message.encode({"Level": None, "Flow": 1.0, "Mode": "Charge"}) == bytes([255, 0, 10, 2])


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"Level": 1, "Flow": 0}, "missing Mode"),
        ({"Level": 1, "Flow": 0, "Mode": 0, "Speed": 1}, "no signal 'Speed'"),
        ({"Level": 200, "Flow": 0, "Mode": 0}, "outside 0 to 127"),
        ({"Level": 1, "Flow": float("nan"), "Mode": 0}, "no number to send"),
        ({"Level": 1, "Flow": 0, "Mode": "Fly"}, "expected Drive, Charge"),
    ],
)
def test_encode_refuses_what_cannot_be_said(values: dict[str, int | float | str | None], says: str) -> None:
    """A missing, unknown, endless or too large value is refused with the signal's name, never sent as another."""
    with pytest.raises(EncodeRefused, match=says):
        compile_database(SMALL).message("Plain").encode(values)


def test_a_public_file_without_its_header_lines_is_refused(reference_folder: Path) -> None:
    """A DBC that cantools refuses (no BS_ and BU_ lines) is refused here too, as one error of one kind."""
    with pytest.raises(DatabaseError, match="kona_pcan"):
        compile_database(reference_folder / "can_logs" / "dbc" / "kona_pcan.dbc")
