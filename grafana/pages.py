"""Writes the pages, dashboards/*.json, from the modules beside this one; `--check` names the stale ones and exits 1.

It knows which pages there are; what is on them stands in a module each.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if __package__ in (None, ""):  # run as a program: the folder above holds this room
    sys.path.insert(0, str(ROOT))

from grafana.site_page import site_page  # noqa: E402 - after the path is set

FOLDER = ROOT / "grafana" / "dashboards"
PAGES = {"site.json": site_page}


def dashboards() -> dict[str, str]:
    """Every page's file name and text."""
    return {name: json.dumps(page(), indent=1, ensure_ascii=False) + "\n" for name, page in PAGES.items()}


def write_dashboards(folder: Path = FOLDER, check: bool = False) -> list[Path]:
    """Writes the pages that are stale in `folder` and returns their files; with `check` it only returns them."""
    stale = []
    for name, text in dashboards().items():
        path = folder / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(path)
        if not check:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return stale


def main(arguments: list[str]) -> int:
    """`pages.py [--check]`."""
    check = "--check" in arguments
    stale = write_dashboards(check=check)
    for path in stale:
        print(f"{'stale' if check else 'written'}: {path.relative_to(ROOT)}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
