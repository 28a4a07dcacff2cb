"""Whether a version fits its board: bytes of a slot, and heap that stays free with everything imported. Builds nothing
that is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from twolbms.build.columns import LimitImage, limit_image
from twolbms.build.emulated_board import EMULATED
from twolbms.build.generate import read_guarded
from twolbms.build.heap import LEAST_FREE_BYTES, free_after_import, free_on_emulated_board
from twolbms.build.image import Board, Image, build_image
from twolbms.build.micropython import RuntimeMissing, find_runtime
from twolbms.files import data_path


@dataclass(frozen=True)
class Size:
    """Figures of one image; None where it could not be measured, `why` then says what is missing."""

    image: Image
    flash_bytes: int
    flash_room: int
    heap_free: int | None
    heap_free_emulated: int | None
    why: str = ""

    @property
    def fits(self) -> bool:
        """Within the slot, and with the heap that the design asks for; where its own core was at hand, that counts."""
        free = self.heap_free if self.heap_free_emulated is None else self.heap_free_emulated
        return self.flash_bytes <= self.flash_room and (free is None or free >= LEAST_FREE_BYTES)


def largest_pack() -> LimitImage:
    """The limits of the pack of ours with the most cells."""
    packs = [pack for path in data_path("packs").glob("*.yaml") if (pack := read_guarded(path)) is not None]
    return limit_image(max(packs, key=lambda pack: (pack.cells.series, pack.pack)))


def measure(board: Board, limits: LimitImage, image: Image | None = None) -> Size:
    """Builds, imports and weighs. `image` is the board's own when it was built already. Raises BuildError."""
    image = image or build_image(board, limits)
    free = emulated = None
    missing = []
    try:
        runtime = find_runtime(need_32_bit=True)
        portable = build_image(board, limits, portable=True)
        free = free_after_import(portable, board.heap_bytes, runtime)
        free -= max(0, _code_bytes(image) - _code_bytes(portable))  # machine code lies in the heap, too
    except RuntimeMissing as error:
        missing.append(str(error))
    if board.name == EMULATED:
        try:
            emulated = free_on_emulated_board(image)
        except RuntimeMissing as error:
            missing.append(str(error))
    return Size(image, len(image.data()), board.slot_bytes, free, emulated, "; ".join(missing))


def _code_bytes(image: Image) -> int:
    return sum(len(content) for _, content in image.files)


def table(sizes: Sequence[Size]) -> str:
    """A line an image, for people."""
    lines = [("board", "pack", "modules", "flash", "of", "heap free", "emulated", "at least")]
    for one in sizes:
        lines.append((one.image.board, one.image.pack, str(len(one.image.files)), str(one.flash_bytes),
                      str(one.flash_room), _number(one.heap_free), _number(one.heap_free_emulated),
                      str(LEAST_FREE_BYTES)))
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(word.ljust(width) if i < 2 else word.rjust(width)
                  for i, (word, width) in enumerate(zip(line, widths, strict=True))).rstrip()
        for line in lines)


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def folder_inputs(board: str) -> list[Path]:
    """Every file that an image of this board may be made from, so that a build tool knows when to build again."""
    firmware = data_path("firmware")
    folders = [firmware / "src", firmware / "boot", firmware / "boards" / board]
    files = [path for folder in folders for path in folder.rglob("*.py")]
    files += [*data_path("packs").glob("*.yaml"), data_path("dbc", "node.dbc")]
    files += [firmware / "platform" / "boards" / f"{board}.json", *Path(__file__).parent.glob("*.py")]
    return sorted(files)
