"""Where the data that travels with the package lives: `dbc/`, `packs/` and `firmware/`, in a wheel or in a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent.parent


def data_path(*parts: str) -> Path:
    """Path of a data file or folder, e.g. `data_path("dbc", "node.dbc")`; it may not exist."""
    inside = _PACKAGE / "data"
    return (inside if inside.is_dir() else _CHECKOUT).joinpath(*parts)
