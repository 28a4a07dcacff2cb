"""Imports run one way: the table says which room may use which; everything else is refused."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "gateway" / "twolbms"
FIRMWARE = ROOT / "firmware" / "src"

BASE = {"files", "diagnoses", "fields", "clock"}
# room: rooms it may import besides itself and BASE
ROOMS = {
    "files": set(), "diagnoses": set(), "fields": set(), "clock": set(),
    "wire": set(), "estimation": set(), "journal": set(),
    "config": {"journal"},
    "build": {"config", "contract", "decode", "sim", "wire"},
    "decode": set(),
    "contract": {"decode"},
    "recording": {"journal"},
    "alarms": {"recording"},
    "battery": {"alarms", "config", "contract", "estimation", "recording", "wire"},
    "site": {"battery", "recording"},
    "receiving": {"battery", "contract", "decode", "wire"},
    "snapshot": {"battery", "site"},
    "health": {"alarms", "recording"},
    "engine": {"alarms", "battery", "build", "contract", "devices", "health", "receiving",
               "recording", "site", "snapshot", "wire"},
    "restart": {"journal"},
    "site_databases": {"config", "decode"},
    "sources": {"config", "devices", "wire"},
    "devices": {"alarms", "health", "recording"},
    "outlets": {"config", "decode", "journal"},
    "doctor": {"config", "decode", "devices", "journal", "outlets", "sources"},
    "importing": {"config", "decode", "journal", "outlets"},
    "sim": set(),
    "scenario": {"build", "config", "sim", "wire"},
    "proof": {"build", "config", "scenario", "sim"},
    "app": {"battery", "config", "contract", "devices", "engine", "journal", "outlets", "restart", "site_databases",
            "sources"},
    "commissioning": {"build"},
    "demo": {"build", "config", "contract", "journal", "outlets", "sim"},
    "cli": {"app", "build", "commissioning", "config", "decode", "demo", "doctor", "importing", "journal", "outlets",
            "scenario", "site_databases"},
    "__main__": {"cli"},
}
PURE = {"alarms", "battery", "devices", "engine", "estimation", "health", "receiving", "site",
        "snapshot", "wire"}
TALKS = {"socket", "asyncio", "threading", "subprocess", "can", "serial", "time", "http", "selectors", "requests"}


def imports(path: Path) -> set[str]:
    """Every absolute name a file imports, at any depth."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names if node.module == "twolbms"}
    return found


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_rooms_import_one_way(path: Path) -> None:
    """A room imports only the rooms the table gives it."""
    room = room_of(path)
    if room == "__init__":
        return
    assert room in ROOMS, f"{room}: not in the table"
    used = {name.split(".")[1] for name in imports(path) if name.startswith("twolbms.")}
    assert used <= ROOMS[room] | BASE | {room}


@pytest.mark.parametrize("path", sorted(p for p in PACKAGE.rglob("*.py") if room_of(p) in PURE), ids=str)
def test_the_core_does_not_talk(path: Path) -> None:
    """The sans-I/O core imports nothing that talks or reads a clock."""
    assert not {name.split(".")[0] for name in imports(path)} & TALKS


@pytest.mark.parametrize("path", sorted((FIRMWARE / "node").glob("*.py")), ids=lambda p: p.name)
def test_node_logic_imports_no_hardware(path: Path) -> None:
    """The node's logic imports only itself, generated columns, arrays, and what the store knows of its numbers."""
    compiler = {"micropython"} if path.name == "machine_code.py" else set()
    assert {name.split(".")[0] for name in imports(path)} <= {"array", "generated", "node", "store"} | compiler
