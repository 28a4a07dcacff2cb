"""A version of the node's application as one file: only what the board needs, the same bytes each time."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import pytest

from servers.need import need
from twolbms.build.columns import LimitImage, limit_image
from twolbms.build.generate import read_guarded
from twolbms.build.heap import LEAST_FREE_BYTES, Free, free_heap
from twolbms.build.image import (
    ARCHITECTURES,
    Board,
    BuildError,
    Image,
    board_names,
    build_image,
    import_order,
    module_texts,
    needed_modules,
    read_board,
    read_image,
)
from twolbms.build.sizes import Size, largest_pack, measure, modules_table, table
from twolbms.files import data_path


@pytest.fixture(scope="module")
def limits() -> LimitImage:
    pack = read_guarded(data_path("packs", "lfp_8s_320ah.yaml"))
    assert pack is not None
    return limit_image(pack)


@pytest.fixture(scope="module")
def nucleo(limits: LimitImage) -> Image:
    return build_image(read_board("nucleo_g474re"), limits)


def test_every_environment_has_its_board() -> None:
    """The boards of platformio.ini, the recommended one first, each with its core and room."""
    assert board_names() == ["nucleo_g474re", "pico_mcp2515", "qemu"]
    cores = {name: read_board(name).architecture for name in board_names()}
    assert cores == {"nucleo_g474re": "armv7emsp", "pico_mcp2515": "armv6m", "qemu": "armv7m"}
    assert ARCHITECTURES["armv6m"] == 4 and ARCHITECTURES["armv7m"] == 5 and ARCHITECTURES["armv7emsp"] == 7
    with pytest.raises(BuildError, match="no board is called 'toaster'; there is nucleo_g474re, "):
        read_board("toaster")


def test_the_head_says_what_it_is(nucleo: Image, limits: LimitImage) -> None:
    """Magic, format, version, core, limits, size, pack and board at their places: the node reads the same bytes."""
    data = nucleo.data()
    assert data[:5] == b"2LBM\x02" and tuple(data[5:8]) == nucleo.firmware and data[8] == 7
    assert data[64:67] == b"\xd2\xcd\x31"  # ROMFS
    assert struct.unpack_from("<I", data, 12)[0] == limits.hash32
    assert struct.unpack_from("<I", data, 16)[0] == len(data)
    assert data[20:44].rstrip(b"\0") == b"lfp_8s_320ah" and data[44:60].rstrip(b"\0") == b"nucleo_g474re"
    assert data[-32:] == hashlib.sha256(data[:-32]).digest()
    assert nucleo.limit_hash == f"{limits.hash32:08x}"


def test_it_is_read_back_whole(nucleo: Image) -> None:
    """What was built is what is read; a bit that flips anywhere is found."""
    data = nucleo.data()
    assert read_image(data) == nucleo
    for at in range(0, len(data), 997):
        with pytest.raises(BuildError):
            read_image(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1:])
    with pytest.raises(BuildError):
        read_image(data[:-1])
    with pytest.raises(BuildError, match="no version"):
        read_image(b"PK\3\4" + data[4:])


def test_the_same_source_gives_the_same_bytes(nucleo: Image, limits: LimitImage) -> None:
    """So that an identical version is recognised as one, also by a node that has refused it."""
    assert build_image(read_board("nucleo_g474re"), limits).data() == nucleo.data()


def test_only_one_pack_and_no_tool_travels(nucleo: Image) -> None:
    """One pack's limits; nothing of the boot that the node has already; no source text."""
    names = [name for name, _ in nucleo.files]
    assert [name for name in names if "limits_" in name] == ["generated/limits_lfp_8s_320ah.mpy"]
    assert {"app.mpy", "running/loop.mpy", "built.mpy", "node/cycle.mpy", "generated/codec.mpy"} <= set(names)
    assert not {"safe.mpy", "disk.mpy", "boot.mpy", "slots.mpy"} & set(names)
    assert names == sorted(names) and all(name.endswith(".mpy") for name in names)


def test_other_limits_are_another_version(limits: LimitImage, nucleo: Image) -> None:
    """The limit hash in the head follows the columns."""
    other = LimitImage(limits.pack, {**limits.columns, "CELLS": 9}, limits.hash32 ^ 1)
    assert build_image(read_board("nucleo_g474re"), other).limits != nucleo.limits


def write(folder: Path, modules: dict[str, str]) -> Path:
    for name, text in modules.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_what_is_imported_is_followed(tmp_path: Path) -> None:
    """Also inside functions and packages; a board's own module comes before that of all."""
    own = write(tmp_path / "board", {"driver": "import machine\nWHO = 'own'\n"})
    shared = write(tmp_path / "src", {
        "main": "def f():\n    from rooms import one\n    import driver\n", "driver": "WHO = 'all'\n", "other": "",
        "rooms/__init__": "", "rooms/one": "import deep.er\n", "rooms/unused": "", "deep/er": ""})
    found = needed_modules([own, shared], {})
    assert set(found) == {"app", "main", "rooms", "rooms.one", "driver", "deep.er"}
    assert "own" in found["driver"]


def test_a_driver_of_another_pack_stays_at_home(tmp_path: Path, nucleo: Image) -> None:
    """Under `if limits.NAME` only the pack's branch is followed; without the pack's columns both are."""
    text = "import three\ndef f(limits):\n    if limits.COMMON:\n        import one\n    else:\n        import two\n"
    folder = write(tmp_path, {"app": text, "one": "", "two": "", "three": ""})
    assert set(needed_modules([folder], {}, {"COMMON": 1})) == {"app", "one", "three"}
    assert set(needed_modules([folder], {}, {"COMMON": 0})) == {"app", "two", "three"}
    assert set(needed_modules([folder], {})) == {"app", "one", "two", "three"}
    assert "drivers.bq76952" in nucleo.modules and "drivers.ltc681x" not in nucleo.modules  # FETs, eight cells


def test_an_app_of_the_boards_own_is_the_entry(tmp_path: Path) -> None:
    """Where there is none, main is started; where there is neither, that is said."""
    with_app = write(tmp_path / "a", {"app": "import one\n", "one": "", "main": "import two\n", "two": ""})
    assert set(needed_modules([with_app], {})) == {"app", "one"}
    with pytest.raises(BuildError, match=r"neither app\.py nor main\.py"):
        needed_modules([tmp_path / "nothing"], {})


def test_the_boot_lends_only_what_it_shares(tmp_path: Path) -> None:
    """slot_record and version are compiled into a version that imports them; safe and disk are the node's own."""
    app = write(tmp_path / "src", {
        "app": "import slot_record, version, safe, disk, slots, folder\n", "safe": "", "disk": ""})
    found = needed_modules([app, data_path("firmware", "boot")], {})
    assert set(found) == {"app", "slot_record", "version"}


def test_what_cannot_be_compiled_is_named(tmp_path: Path, limits: LimitImage) -> None:
    """The module, and where or in the compiler's own words."""
    with pytest.raises(BuildError, match=r"app\.py, line 2: "):
        build_image(read_board("qemu"), limits, sources=[write(tmp_path, {"app": "x = 1\ndef f(:\n"})])
    newer = write(tmp_path, {"app": "match x:\n    case 1:\n        pass\n"})
    with pytest.raises(BuildError, match=r"mpy-cross refuses app\.py: (?s:.*)SyntaxError"):
        build_image(read_board("qemu"), limits, sources=[newer])


def test_machine_code_needs_its_core(tmp_path: Path, limits: LimitImage) -> None:
    """A viper function compiles for the board; a portable image has it as bytecode."""
    text = "import micropython\n@micropython.viper\ndef f(x: int) -> int:\n    return x + 1\n"
    app = write(tmp_path, {"app": text})
    board = build_image(read_board("nucleo_g474re"), limits, sources=[app])
    portable = build_image(read_board("nucleo_g474re"), limits, "", sources=[app])
    assert dict(board.files)["app.mpy"] != dict(portable.files)["app.mpy"]
    assert (board.architecture, portable.architecture) == (7, 0)


@pytest.mark.parametrize("name", ["nucleo_g474re", "pico_mcp2515", "qemu"])
def test_the_largest_pack_fits_every_board(name: str) -> None:
    """Within the slot, with 20 KiB of its heap free when its node is made, started through the boot files."""
    need("micropython32")
    size = measure(read_board(name), largest_pack())
    print(table([size]))
    assert LEAST_FREE_BYTES == 20480 and size.heap is not None
    assert size.heap.made if name != "qemu" else size.emulated is None or size.emulated.made
    assert size.fits


def test_too_large_is_said(nucleo: Image) -> None:
    """A byte too many, or too little heap; what the board's own core says goes before the unix port."""
    enough, little = Free(30000, 20480), Free(30000, 20479)
    for heap, emulated, fits in ((enough, None, True), (little, None, False), (little, enough, True),
                                 (enough, little, False), (None, None, True), (Free(20479, None), None, False)):
        assert Size(nucleo, 100, 100, 98304, heap, emulated).fits == fits
        assert not Size(nucleo, 101, 100, 98304, heap, emulated).fits


def test_a_heap_that_is_too_small_is_an_error(limits: LimitImage) -> None:
    """What the runtime said comes along."""
    runtime = need("micropython32")
    board = Board("nucleo_g474re", "armv7emsp", 57344, 40_000, False)
    with pytest.raises(BuildError, match="MemoryError"):
        free_heap(build_image(board, limits, ""), board, runtime)


def test_a_module_comes_after_what_it_imports() -> None:
    """So that each is weighed by itself; one that imports another back does not matter."""
    order = import_order({"a": "import b.c, os\n", "b": "", "b.c": "def f():\n    import a\n    import d\n", "d": ""})
    assert sorted(order) == ["a", "b", "b.c", "d"]
    assert order.index("b") < order.index("b.c") < order.index("a") and order.index("d") < order.index("b.c")


def test_where_flash_and_heap_go(limits: LimitImage) -> None:
    """Every module of the version has its row: bytes of flash as in the file, bytes of heap, and the sum at the end."""
    need("micropython32")
    board = read_board("qemu")
    rows = [line.split() for line in modules_table(board, limits).splitlines()[1:]]
    image = build_image(board, limits)
    assert {row[0] for row in rows} == {*module_texts(board, limits), "all"}
    assert {row[0]: int(row[1]) for row in rows[:-1]} == {
        name: len(content) for name, (_, content) in zip(image.modules, image.files, strict=True)}
    assert rows[-1] == ["all", str(sum(int(row[1]) for row in rows[:-1])), str(sum(int(row[2]) for row in rows[:-1]))]
    assert 20_000 < int(rows[-1][2]) < int(rows[-1][1])  # run in place: less than is read
