"""Finds or fetches the MicroPython unix port that runs node firmware on a Linux machine.

The 32-bit build is wanted: its small integers and words are those of the microcontroller, so it allocates where
the chip would. It is looked for in TWOLBMS_MICROPYTHON, in the user's cache, and then fetched from Debian's archive
through apt, without root; an installed `micropython` is the last resort.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# Debian trixie, i386, as listed in its signed index on 2026-11-21: (path below the mirror, SHA-256).
_PINNED = (
    (
        "pool/main/m/micropython/micropython_1.25.0+ds-1_i386.deb",
        "a72799821cb45442150f8a7f0757bc8e4f9a4b64abccbd837d694a20d6900bb5",
    ),
    (
        "pool/main/g/glibc/libc6_2.41-12+deb13u4_i386.deb",
        "67bb4b54cf4bb6a380449dfa1852cd9135659f85360caa0e41d312f4b30e573a",
    ),
    (
        "pool/main/libf/libffi/libffi8_3.4.8-2_i386.deb",
        "8bafefb38c320ca27796070c881595ce04d900c3b534ac142a494daf1fe1db13",
    ),
    (
        "pool/main/m/mbedtls/libmbedtls21_3.6.6-0.1~deb13u1_i386.deb",
        "eb1b20154ce9008aca1d036698ffc12019020a54985d2c5ae3dc1c1c39c9e995",
    ),
    (
        "pool/main/m/mbedtls/libmbedx509-7_3.6.6-0.1~deb13u1_i386.deb",
        "fe6ba192c9227d30a4cd05a3bdeccdf9ff30d55b27d8ff488126c16dcf727cce",
    ),
    (
        "pool/main/m/mbedtls/libmbedcrypto16_3.6.6-0.1~deb13u1_i386.deb",
        "aa4698ed436eebf77e3dc9f5c514073bd554109d857d887db5a367dde9a5c377",
    ),
)
_PACKAGES = ("micropython", "libc6", "libffi8", "libmbedtls21", "libmbedx509-7", "libmbedcrypto16")


class RuntimeMissing(Exception):
    """No MicroPython runtime could be found or fetched; the text says what to do."""


@dataclass(frozen=True)
class Runtime:
    """A MicroPython program: its path, its version text, and the bits of its words (32 or 64)."""

    program: str
    version: str
    bits: int


def cache_folder() -> Path:
    """The user's cache for what is fetched or built once a machine."""
    base = os.environ.get("TWOLBMS_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "twolbms"
    )
    return Path(base)


def probe(program: str) -> Runtime | None:
    """What `program` is, or None when it does not run as MicroPython."""
    code = "import sys;print(sys.implementation.name,'.'.join(map(str,sys.implementation.version[:3])),sys.maxsize>>32)"
    try:
        done = subprocess.run([program, "-c", code], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = done.stdout.split()
    if done.returncode or len(words) != 3 or words[0] != "micropython":
        return None
    return Runtime(program, words[1], 64 if int(words[2]) else 32)


def find_runtime(fetch: bool = True, need_32_bit: bool = False) -> Runtime:
    """The best runtime at hand, fetching the 32-bit one when allowed.

    Raises RuntimeMissing with what to type when there is none.
    """
    candidates = [os.environ.get("TWOLBMS_MICROPYTHON"), str(cache_folder() / "micropython32" / "micropython")]
    for program in candidates:
        if program and (found := probe(program)) and (found.bits == 32 or not need_32_bit):
            return found
    trouble = "fetching was not allowed"
    if fetch:
        try:
            return fetch_32_bit()
        except RuntimeMissing as error:
            trouble = str(error)
    installed = shutil.which("micropython")
    if installed and (found := probe(installed)) and (found.bits == 32 or not need_32_bit):
        return found
    kind = "32-bit MicroPython" if need_32_bit else "MicroPython"
    raise RuntimeMissing(
        f"no {kind} here ({trouble}). On Debian trixie or newer type: sudo apt-get install micropython; elsewhere "
        "set TWOLBMS_MICROPYTHON to a unix-port program of version 1.25 or newer"
    )


def fetch_32_bit(attempts: int = 3) -> Runtime:
    """Fetches Debian's i386 build with its libraries into the user's cache (about 16 MB, no root)."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise RuntimeMissing("this machine has no apt-get to fetch it with")
    home = cache_folder() / "micropython32"
    work = home.with_name(f"micropython32.{os.getpid()}")
    trouble = ""
    for attempt in range(attempts):
        if attempt:
            time.sleep(2.0 * attempt)
        for way in (fetch_pinned, _fetch_by_index):
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir(parents=True)
            try:
                way(work)
                return _install(work, home)
            except (OSError, subprocess.SubprocessError, RuntimeMissing) as error:
                trouble = _last_line(error)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    raise RuntimeMissing(f"fetching it failed: {trouble}")


def _last_line(error: Exception) -> str:
    text = getattr(error, "stderr", "") or str(error)
    lines = [line for line in str(text).strip().splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _run(arguments: list[str], folder: Path) -> None:
    subprocess.run(arguments, cwd=folder, check=True, capture_output=True, text=True, timeout=240)


APT_SOURCES = Path("/etc/apt")


def debian_archive(apt: Path = APT_SOURCES) -> str:
    """The Debian archive this machine's apt uses; MIRROR in the environment comes first. Raises RuntimeMissing."""
    named = os.environ.get("MIRROR")
    files = [
        *sorted(apt.glob("sources.list.d/*.sources")), apt / "sources.list", *sorted(apt.glob("sources.list.d/*.list"))]
    lines = [line.split() for file in files if file.is_file() for line in file.read_text().splitlines()]
    found = [word for words in lines if words and words[0] in ("URIs:", "deb") for word in words[1:] if "://" in word]
    archives = [named] if named else [url for url in found if url.rstrip("/").endswith("/debian")]
    if not archives:
        raise RuntimeMissing("apt's sources name no Debian archive; set MIRROR to the address of one")
    return archives[0].rstrip("/")


def fetch_pinned(work: Path, files: Iterable[tuple[str, str]] = _PINNED) -> None:
    """The exact `files` (path below the mirror, SHA-256), each checked against its hash: needs no package index."""
    mirror = debian_archive()
    for path, sha256 in files:
        _run(
            [
                "/usr/lib/apt/apt-helper",
                "-o",
                "APT::Sandbox::User=root",
                "download-file",
                f"{mirror}/{path}",
                str(work / Path(path).name),
                f"SHA256:{sha256}",
            ],
            work,
        )


def _fetch_by_index(work: Path) -> None:
    """The suite's present files by its signed index, for when a pinned one has been superseded."""
    apt = work / "apt"
    for folder in (apt / "lists/partial", work / "cache/archives/partial"):
        folder.mkdir(parents=True)
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    (apt / "sources.list").write_text(f"deb [signed-by={keyring}] {debian_archive()} trixie main\n")
    options = {
        "Dir::Etc::sourcelist": apt / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State": apt,
        "Dir::State::lists": apt / "lists",
        "Dir::State::status": "/dev/null",
        "Dir::Cache": work / "cache",
        "APT::Architecture": "i386",
        "APT::Architectures": "i386",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
    }
    apt_get = ["apt-get", "-qq"] + [part for key, value in options.items() for part in ("-o", f"{key}={value}")]
    _run([*apt_get, "update"], work)
    _run([*apt_get, "download", *_PACKAGES], work)


def _install(work: Path, home: Path) -> Runtime:
    for deb in sorted(work.glob("*.deb")):
        _run(["dpkg-deb", "-x", str(deb), "root"], work)
        deb.unlink()
    for leftover in ("apt", "cache"):
        shutil.rmtree(work / leftover, ignore_errors=True)
    loaders = sorted(work.glob("root/usr/lib/*-linux-gnu*/ld-linux*.so.*"))
    if not loaders:
        raise RuntimeMissing("the fetched packages hold no program loader")
    wrapper = work / "micropython"
    wrapper.write_text(
        '#!/bin/sh\nhere=$(dirname "$(readlink -f "$0")")\n'
        f'lib="$here/{loaders[0].parent.relative_to(work)}"\n'
        f'exec "$lib/{loaders[0].name}" --library-path "$lib" "$here/root/usr/bin/micropython" "$@"\n'
    )
    wrapper.chmod(0o755)
    shutil.rmtree(home, ignore_errors=True)
    home.parent.mkdir(parents=True, exist_ok=True)
    work.rename(home)
    found = probe(str(home / "micropython"))
    if found is None:
        raise RuntimeMissing("the fetched program does not run on this machine's processor")
    return found
