"""Writes, or compares, every generated file of the project from the one place its facts stand in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml

from twolbms.build.codec import codec_text, update_codec_text
from twolbms.build.columns import limit_image, limits_text
from twolbms.config.pack import GuardedPack
from twolbms.files import data_path


def node_files(packs: list[Path] | None = None) -> Iterator[tuple[Path, str]]:
    """(path below firmware/src, text) of the codecs and of the limits of each guarded pack."""
    yield Path("generated/codec.py"), codec_text(data_path("dbc", "node.dbc"))
    yield Path("generated/update_codec.py"), update_codec_text(data_path("dbc", "node.dbc"))
    for path in packs if packs is not None else sorted(data_path("packs").glob("*.yaml")):
        if (pack := read_guarded(path)) is not None:
            yield Path(f"generated/limits_{pack.pack}.py"), limits_text(limit_image(pack))


def read_guarded(path: Path) -> GuardedPack | None:
    """The guarded pack in `path`, or None when the file describes an observed one."""
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    return GuardedPack.model_validate(data) if isinstance(data, dict) and data.get("kind") == "guarded" else None


def write(folder: Path, check: bool = False) -> list[str]:
    """Writes the files below `folder`; with `check` writes nothing. Returns the paths that were stale."""
    stale = []
    for path, text in node_files():
        target = folder / path
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            stale.append(str(path))
            if not check:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, encoding="utf-8")
    return stale
