"""`make bench`: every benchmark in one run, each figure a ratio against its peer; also build/bench.json and bench.md.

TWOLBMS_BENCH=short runs each with a smaller load: the ratios are then rougher, and the table says so.
"""

import importlib.util
import json
import os
import platform
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def load(path: Path):
    """The benchmark module in `path`."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def row(figure: dict) -> str:
    """One line of the table."""
    sign = 1 if figure["better"] == "higher" else -1
    better = sign * figure["ratio_median"] >= sign * figure["goal"]
    return (f"{figure['metric']:<66} {figure['ratio_median']:>9.2f} {figure['ratio_min']:>9.2f} {figure['goal']:>7g}"
            f"  {'reached' if better else 'not reached'}")


def page_row(figure: dict, path: Path) -> str:
    """One row of the table in docs/benchmarks.md."""
    return (f"| {figure['metric']} | {figure['ratio_median']:g} | {figure['ratio_min']:g} | {figure['goal']:g} | "
            f"`{path.name}` |")


def main() -> int:
    """Runs what is there; 1 when a benchmark fails to run, never for a figure."""
    figures, rows, failed = [], ["| metric | median | min | goal | made by |", "|---|---|---|---|---|"], 0
    print(f"Python {platform.python_version()}, {os.cpu_count()} processors"
          + (", short: rough figures" if os.environ.get("TWOLBMS_BENCH") == "short" else ""))
    print(f"{'metric':<66} {'median':>9} {'min':>9} {'goal':>7}")
    for path in sorted(HERE.glob("bench_*.py")):
        try:
            found = load(path).run()
        except Exception as error:  # one benchmark that cannot run must not hide the others
            print(f"{path.stem}: {type(error).__name__}: {error}", file=sys.stderr)
            failed = 1
            continue
        for figure in found:
            print(row(figure), flush=True)
            rows.append(page_row(figure, path))
        figures += found
    out = ROOT / "build" / "bench.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    out.with_suffix(".md").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return failed


if __name__ == "__main__":
    sys.exit(main())
