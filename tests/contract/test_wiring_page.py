"""docs/wiring.md is held against the boards' pins, the packs' numbers, the drivers' constants, and who refers to it."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from twolbms.config.pack_checks import FITTABLE

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/wiring.md").read_text(encoding="utf-8")
BOARDS = ("nucleo_g474re", "pico_mcp2515")  # in the order of the page's columns
SAFE_NAMES = {"OUTPUTS": ("CHARGE", "DISCHARGE", "PRECHARGE", "HEATER"),
              "AUX": ("CHARGE_AUX", "DISCHARGE_AUX", "PRECHARGE_AUX", "HEATER_AUX"),
              "_SERVICE": ("SERVICE",), "_ARMING": ("ARMING",)}
NO_PINS = {"SLOT_BYTES", "WATCHDOG_MS", "CRYSTAL_MHZ", "PRECHARGE_AUX_FITTED", "HEATER_AUX_FITTED"}
PACKS = {"The eight-cell bank": "lfp_8s_320ah", "Seven used modules, below 60 V": "leaf_2013_14s",
         "Sixteen cells with separate ports": "lfp_16s_280ah", "A 96-cell car pack": "leaf_ze1"}
SIDES = ("docs", "packs", "firmware/src", "firmware/boards", "gateway/twolbms")


def constants(path: Path) -> dict[str, Any]:
    """A module's own names for literal values; a tuple of names is taken apart."""
    found: dict[str, Any] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.Assign):
            continue
        try:
            value = ast.literal_eval(node.value)
        except ValueError:
            continue
        for target in node.targets:
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            values = value if isinstance(target, ast.Tuple) else [value]
            found |= {name.id: one for name, one in zip(names, values, strict=True) if isinstance(name, ast.Name)}
    return found


def pins_on_the_page() -> dict[str, tuple[str, str]]:
    """Name: the cells of both boards' columns."""
    table = section("Pins of the node", "###")
    return {name: (one.strip(), two.strip())
            for name, one, two in re.findall(r"^\| `(\w+)` \|([^|]*)\|([^|]*)\|", table, re.M)}


def section(title: str, level: str = "##") -> str:
    """The text of a heading up to the next one of its level."""
    return PAGE.split(f"\n{level} {title}\n")[1].split(f"\n{level} ")[0]


def slug(title: str) -> str:
    """As the forges make an anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return {slug(title) for title in re.findall(r"^#+ (.+)$", text, re.M)}


@pytest.mark.parametrize("column", range(len(BOARDS)), ids=BOARDS)
def test_every_pin_is_on_the_page_and_no_other(column: int) -> None:
    """Each pin that board.py names stands in the page's table under that name, and the table has no further ones."""
    board = constants(ROOT / "firmware/boards" / BOARDS[column] / "board.py")
    pins = {name: str(value) for name, value in board.items() if not name.startswith("_") and name not in NO_PINS}
    assert {name: cells[column] for name, cells in pins_on_the_page().items() if cells[column]} == pins


@pytest.mark.parametrize("column", range(len(BOARDS)), ids=BOARDS)
def test_the_boot_s_pins_are_on_the_page(column: int) -> None:
    """Outputs, auxiliary contacts and jumpers of safe.py are those of the table."""
    safe = constants(ROOT / "firmware/boards" / BOARDS[column] / "safe.py")
    pins = pins_on_the_page()
    for name, rows in SAFE_NAMES.items():
        value = safe[name]
        values = value if isinstance(value, tuple) else (value,)
        assert tuple(map(str, values)) == tuple(pins[row][column] for row in rows), name


def resolve(pack: dict[str, Any], path: str) -> Any:
    """A value of a pack by its path; a rating by its part; of a list its length."""
    value: Any = pack
    for key in path.split("."):
        value = next(one for one in value if one["part"] == key) if isinstance(value, list) else value[key]
    return len(value) if isinstance(value, list) else value


@pytest.mark.parametrize("title", PACKS)
def test_the_numbers_are_the_pack_s(title: str) -> None:
    """Every number that the page gives for a pack or from a driver's wiring is the one in that file."""
    pack = yaml.safe_load((ROOT / "packs" / f"{PACKS[title]}.yaml").read_text(encoding="utf-8"))
    named = re.findall(r"`([\w.]+)` = ([\d.]+)", section(title))
    assert len(named) >= 2
    for path, told in named:
        if path.startswith("with_"):
            module, name = path.split(".")
            found = constants(ROOT / "firmware/src/running" / f"{module}.py")[name]
        else:
            found = resolve(pack, path)
        assert float(told.rstrip(".")) == float(found), path


@pytest.mark.parametrize("title", [title for title, pack in PACKS.items() if pack != "leaf_ze1"])
def test_every_rating_has_its_line(title: str) -> None:
    """Each part that the pack rates is in its parts list, with its current and, for a cable, its runs."""
    pack = yaml.safe_load((ROOT / "packs" / f"{PACKS[title]}.yaml").read_text(encoding="utf-8"))
    text = section(title)
    for rating in pack["ratings"]:
        assert re.search(rf"`ratings\.{rating['part']}\.(dis)?charge_a` = ", text), rating["part"]
        assert "runs" not in rating or "`ratings.cable.runs` = " in text


def test_every_pin_and_pole_that_a_pack_needs_is_wired() -> None:
    """The bank's taps, thermistor pins and addresses on the page are those of the drivers' wiring."""
    bank, wiring = section("The eight-cell bank"), constants(ROOT / "firmware/src/running/with_bq76952.py")
    names = ("CFETOFF", "DFETOFF", "ALERT", "TS1", "TS2", "TS3", "HDQ", "DCHG", "DDSG")
    assert "U1: " + ", ".join(names[pin] for pin in wiring["THERMISTORS"]) in bank
    assert hex(wiring["SECOND_ADDRESS"]) in bank and wiring["CRC"] is True
    modules = constants(ROOT / "firmware/src/running/with_ltc681x.py")
    assert f"{modules['CURRENT_ADDRESS']:#x}" in section("Seven used modules, below 60 V")
    assert f"{modules['SECOND_ADDRESS']:#x}" in section("What a pack may lack")


@pytest.mark.parametrize("name", FITTABLE)
def test_what_a_pack_may_lack_is_explained(name: str) -> None:
    """Each row that may be not fitted says on the page what is fitted for it and what is unwatched without it."""
    rows = [line.split("|") for line in section("What a pack may lack").splitlines() if f"`{name}`" in line]
    assert len(rows) == 1 and all(len(cell.strip()) > 10 for cell in rows[0][2:4])


def test_the_not_fitted_rows_of_the_packs_are_explained() -> None:
    """Where a pack's row says not_fitted, the page has that row."""
    for path in (ROOT / "packs").glob("*.yaml"):
        limits = yaml.safe_load(path.read_text(encoding="utf-8")).get("limits", {})
        for name in [name for name, row in limits.items() if "not_fitted" in row]:
            assert f"`{name}`" in section("What a pack may lack"), (path.name, name)


def test_every_anchor_leads_somewhere() -> None:
    """Every reference to a heading of a page, from pages, packs and code, meets a heading."""
    looked_at = 0
    texts = [ROOT / "README.md", ROOT / "SAFETY.md", ROOT / "CONTRIBUTING.md"]
    texts += [p for side in SIDES for p in (ROOT / side).rglob("*") if p.suffix in (".md", ".yaml", ".py")]
    for path in texts:
        text = path.read_text(encoding="utf-8")
        links = [(path.parent / page if page else path, anchor)
                 for page, anchor in re.findall(r"\]\(([\w./-]*)#([\w-]+)\)", text) if path.suffix == ".md"]
        links += [(ROOT / page, anchor) for page, anchor in re.findall(r"(?<![\w/.])(docs/\w+\.md)#([\w-]+)", text)]
        for page, anchor in links:
            looked_at += 1
            assert anchor in anchors(page), f"{path.name}: {page.name}#{anchor}"
        for page in re.findall(r"(?<![\w/.])docs/\w+\.md", text) if path.suffix != ".md" else ():
            assert (ROOT / page).exists(), f"{path}: {page}"
    assert looked_at > 15


@pytest.mark.parametrize("drawing", sorted((ROOT / "docs/wiring").glob("*.svg")), ids=lambda p: p.stem)
def test_the_drawings_are_whole_and_shown(drawing: Path) -> None:
    """Each drawing is well-formed, says in words what it shows, keeps inside its frame, and is on the page."""
    root = ElementTree.parse(drawing).getroot()
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    texts = root.findall(".//{*}text")
    assert root.findtext("{*}title") and root.findtext("{*}desc") and len(texts) > 10
    for text in texts:
        x, words, look = float(text.get("x", -1)), text.text or "", (text.get("class") or "").split()
        size = 5.5 if "small" in look else 9.5 if "head" in look else 7.0  # the mean width of a letter
        left = x - len(words) * size * (0.5 if "mid" in look else 1.0 if "end" in look else 0.0)
        assert left >= 0 and left + len(words) * size <= width and 0 < float(text.get("y", -1)) <= height, words
    assert f"](wiring/{drawing.name})" in PAGE
