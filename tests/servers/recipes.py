"""Gets the real servers that tests talk to, once a machine, into the user's cache, without root.

InfluxDB 2 is built from its Go module because no package registry carries it; VictoriaMetrics comes from Debian, and
so does the source of the emulated board's firmware. It knows no test.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import IO

from twolbms.build.emulated_board import BoardMissing, find_board
from twolbms.build.micropython import cache_folder

INFLUXD_VERSION = "2.7.12"
OLDEST_GO = (1, 21)  # from here on Go fetches the newer toolchain that go.mod asks for by itself
MODULE = Path(__file__).resolve().parent / "influxd"
BUILD_SECONDS = 2400  # 6 minutes on two busy cores from empty caches; a small machine may need several times that


class RecipeFailed(Exception):
    """A server could not be built or fetched; the text says what is missing or where the output lies."""


def find_influxd() -> Path | None:
    """The InfluxDB 2 server at hand: TWOLBMS_INFLUXD, the user's cache, then PATH, where a 1.x does not count."""
    return _first(os.environ.get("TWOLBMS_INFLUXD"), _influxd_home() / "influxd", _influxd_2_on_path())


def find_victoria_metrics() -> Path | None:
    """The VictoriaMetrics server at hand: TWOLBMS_VICTORIAMETRICS, the user's cache, then PATH."""
    return _first(
        os.environ.get("TWOLBMS_VICTORIAMETRICS"),
        _victoria_metrics_home() / "usr/bin/victoria-metrics",
        shutil.which("victoria-metrics"),
    )


def get_influxd() -> Path:
    """`find_influxd`, built first when there is none. Raises RecipeFailed."""
    return find_influxd() or _build_influxd()


def get_victoria_metrics() -> Path:
    """`find_victoria_metrics`, fetched first when there is none. Raises RecipeFailed."""
    return find_victoria_metrics() or _fetch_victoria_metrics()


def find_emulated_board() -> Path | None:
    """The emulated board's firmware at hand, when there is an emulator to run it."""
    try:
        return find_board(build=False)
    except BoardMissing:
        return None


def get_emulated_board() -> Path:
    """`find_emulated_board`, built first when there is none. Raises RecipeFailed."""
    try:
        return find_board()
    except BoardMissing as error:
        raise RecipeFailed(str(error)) from error


def find_uml() -> Path | None:
    """User Mode Linux with what its guest needs of the machine, or None."""
    return None if _uml_lacks() else _on_path("linux.uml")


def get_uml() -> Path:
    """`find_uml`. Raises RecipeFailed with the packages to install: a kernel is the machine's own affair."""
    if lacks := _uml_lacks():
        raise RecipeFailed(f"User Mode Linux needs {', '.join(lacks)}: type `apt-get install {' '.join(lacks)}`")
    kernel = _on_path("linux.uml")
    assert kernel is not None
    return kernel


def _uml_lacks() -> list[str]:
    needed = {"linux.uml": "user-mode-linux", "insmod": "kmod", "ip": "iproute2"}
    if "amx_tile" in Path("/proc/cpuinfo").read_text():
        needed["gcc"] = "gcc"  # for tests/uml/uml_xstate.c
    return [package for program, package in needed.items() if _on_path(program) is None]


def _on_path(program: str) -> Path | None:
    """Also where Debian keeps what only root is thought to need."""
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    return Path(found) if found else None


def _influxd_home() -> Path:
    return cache_folder() / f"influxd-{INFLUXD_VERSION}"


def _victoria_metrics_home() -> Path:
    return cache_folder() / "victoria-metrics"


def _first(*candidates: str | Path | None) -> Path | None:
    for candidate in candidates:
        if candidate and os.access(candidate, os.X_OK) and Path(candidate).is_file():
            return Path(candidate)
    return None


def _influxd_2_on_path() -> str | None:
    program = shutil.which("influxd")
    if program is None:
        return None
    said = subprocess.run([program, "version"], capture_output=True, text=True, check=False).stdout
    return program if said.startswith("InfluxDB v2.") else None


def _build_influxd() -> Path:
    """Follows the vendor's own build: Go for the server, and Rust, called through a pkg-config of theirs, for Flux."""
    missing = [tool for tool in ("go", "cargo", "gcc", "pkg-config") if not shutil.which(tool)]
    if missing:
        raise RecipeFailed(f"building InfluxDB needs {', '.join(missing)}, which this machine lacks")
    if (version := _go_version()) < OLDEST_GO:
        raise RecipeFailed(f"building InfluxDB needs Go {'.'.join(map(str, OLDEST_GO))} or newer; here is "
                           f"{'.'.join(map(str, version)) or 'one that does not tell its version'}")
    home = _influxd_home()
    work = home.with_name(f"{home.name}.{os.getpid()}")
    work.mkdir(parents=True, exist_ok=True)
    log = home.with_name(f"{home.name}.log")
    try:
        with log.open("w") as output:
            _go_build(work, output)
        shutil.rmtree(home, ignore_errors=True)
        work.rename(home)
    except (OSError, subprocess.SubprocessError) as error:
        raise RecipeFailed(f"building InfluxDB failed ({error}); its output is in {log}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return home / "influxd"


def _go_version() -> tuple[int, ...]:
    said = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    return tuple(int(part) for part in re.findall(r"\d+", said)[:2])


def _go_build(work: Path, output: IO[str]) -> None:
    """Builds `influxd` into `work`; the caches of Go and cargo may be removed afterwards."""
    wrapper = work / "rustc-lenient"
    wrapper.write_text('#!/bin/sh\nexec "$@" --cap-lints warn\n')  # newer compilers warn, the sources deny warnings
    wrapper.chmod(0o755)
    environment = os.environ | {
        "PKG_CONFIG": str(work / "pkg-config"),
        "RUSTC_WRAPPER": str(wrapper),
        "RUSTUP_TOOLCHAIN": os.environ.get("RUSTUP_TOOLCHAIN", "stable"),  # the sources ask for an old one
    }
    flags = f"-s -w -X main.version=v{INFLUXD_VERSION}"
    for arguments in (
        ["-o", str(work / "pkg-config"), "github.com/influxdata/pkg-config"],
        [
            "-tags",
            "sqlite_foreign_keys,sqlite_json",
            "-ldflags",
            flags,
            "-o",
            str(work / "influxd"),
            "github.com/influxdata/influxdb/v2/cmd/influxd",
        ],
    ):
        subprocess.run(
            ["go", "build", *arguments],
            cwd=MODULE,
            env=environment,
            check=True,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=BUILD_SECONDS,
        )
    for leftover in ("pkg-config", "rustc-lenient"):
        (work / leftover).unlink()


def _fetch_victoria_metrics() -> Path:
    """Debian's package, unpacked beside the cache's other programs; its libraries are those of any Debian."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise RecipeFailed("fetching VictoriaMetrics needs apt-get and dpkg-deb, which this machine lacks")
    home = _victoria_metrics_home()
    work = home.with_name(f"{home.name}.{os.getpid()}")
    work.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(
            ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", "victoria-metrics"],
            cwd=work,
            check=True,
            capture_output=True,
            text=True,
            timeout=300,
        )
        (package,) = work.glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", package.name, "."], cwd=work, check=True, capture_output=True, timeout=300)
        package.unlink()
        shutil.rmtree(home, ignore_errors=True)
        work.rename(home)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        said = str(getattr(error, "stderr", "") or error).strip().splitlines()
        raise RecipeFailed(
            f"fetching VictoriaMetrics failed on {platform.machine()}: {said[-1] if said else error}; "
            "`apt-get update` may help"
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return home / "usr/bin/victoria-metrics"
