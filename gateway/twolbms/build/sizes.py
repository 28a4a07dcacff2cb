"""Whether a version fits its board: bytes of a slot, and heap that stays free. Builds nothing that is kept.

`python -m twolbms.build.sizes [--modules] [BOARD ...]` prints it for the largest pack, and where flash and heap go.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from twolbms.build.columns import LimitImage, limit_image
from twolbms.build.emulated_board import EMULATED
from twolbms.build.generate import read_guarded
from twolbms.build.heap import (
    LEAST_FREE_BYTES,
    RUNTIME_ARCHITECTURE,
    Free,
    free_heap,
    free_on_emulated_board,
)
from twolbms.build.image import (
    Board,
    BuildError,
    Image,
    board_names,
    build_image,
    import_order,
    module_texts,
    read_board,
)
from twolbms.build.micropython import RuntimeMissing, find_runtime
from twolbms.files import data_path


@dataclass(frozen=True)
class Size:
    """Figures of one image; None where it could not be measured, `why` then says what is missing."""

    image: Image
    flash_bytes: int
    flash_room: int
    heap_bytes: int
    heap: Free | None
    emulated: Free | None
    why: str = ""

    @property
    def fits(self) -> bool:
        """Within the slot, and with the heap that the design asks for.

        Where the board's own core was at hand, that counts. The heap is what is left with the node made, where it was.
        """
        free = self.heap if self.emulated is None else self.emulated
        left = min(free.imported, free.made or free.imported) if free else LEAST_FREE_BYTES
        return self.flash_bytes <= self.flash_room and left >= LEAST_FREE_BYTES


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
        free = free_heap(build_image(board, limits, RUNTIME_ARCHITECTURE), board, runtime)
    except RuntimeMissing as error:
        missing.append(str(error))
    if board.name == EMULATED:
        try:
            emulated = free_on_emulated_board(image)
        except RuntimeMissing as error:
            missing.append(str(error))
    return Size(image, len(image.data()), board.slot_bytes, board.heap_bytes, free, emulated, "; ".join(missing))


def table(sizes: Sequence[Size]) -> str:
    """A line an image, for people."""
    lines = [("board", "pack", "modules", "flash", "of", "heap", "imported", "node made", "emulated",
              "node made", "at least")]
    for one in sizes:
        lines.append((one.image.board, one.image.pack, str(len(one.image.files)), str(one.flash_bytes),
                      str(one.flash_room), str(one.heap_bytes), _number(one.heap and one.heap.imported),
                      _number(one.heap and one.heap.made), _number(one.emulated and one.emulated.imported),
                      _number(one.emulated and one.emulated.made), str(LEAST_FREE_BYTES)))
    return _aligned(lines, 2)


def modules_table(board: Board, limits: LimitImage) -> str:
    """Bytes of flash and of heap that each module takes by itself, most heap first. Raises BuildError, RuntimeMissing.

    A module whose names are the first beyond what MicroPython had room for pays for the next table of names.
    """
    image = build_image(board, limits)
    order = import_order(module_texts(board, limits), limits.columns)
    roomy = replace(board, heap_bytes=4 * board.heap_bytes)  # all are more than a node has at once
    free = free_heap(build_image(board, limits, RUNTIME_ARCHITECTURE), roomy, find_runtime(need_32_bit=True), order)
    flash = dict(zip(image.modules, (len(content) for _, content in image.files), strict=True))
    rows = sorted(free.modules, key=lambda row: -row[1])
    lines = [("module", "flash", "heap"), *((name, str(flash[name]), str(heap)) for name, heap in rows),
             ("all", str(sum(flash.values())), str(sum(heap for _, heap in rows)))]
    return _aligned(lines, 1)


def _aligned(lines: Sequence[tuple[str, ...]], words: int) -> str:
    """Columns: the first `words` to the left, numbers to the right."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(word.ljust(width) if i < words else word.rjust(width)
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


def main(words: Sequence[str]) -> int:
    """1 when one does not fit or cannot be weighed."""
    limits, status = largest_pack(), 0
    for name in [word for word in words if not word.startswith("--")] or board_names():
        try:
            board = read_board(name)
            size = measure(board, limits)
            print(table([size]), size.why, sep="\n")
            if "--modules" in words:
                print(modules_table(board, limits), end="\n\n")
            status |= not size.fits
        except (BuildError, RuntimeMissing) as error:
            print(f"{name}: {error}", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
