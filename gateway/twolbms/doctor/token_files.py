"""Files with secrets: there, for their owner's eyes only, and holding what a token looks like. Shows no secret."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from twolbms.doctor.closed import closed
from twolbms.doctor.people import me, owner_of
from twolbms.doctor.rules import Finding, Rule, Rules
from twolbms.doctor.sketch import Sketch
from twolbms.outlets.influx_target import TokenUnreadable, read_token

told = Rules(
    Rule("token.good", "good", "{path} is there, for its owner alone"),
    Rule("token.missing", "bad", "{path} does not exist, so nothing can be written",
         "type: 2lbms influx setup {site}; or put a write token into this file"),
    Rule("token.not_a_file", "bad", "{path} is not a file", "put the token into a file of this name"),
    Rule("token.unreadable", "bad", "{path} belongs to {owner} and cannot be read by {me}",
         "run this as the gateway's user, e.g.: sudo -u {owner} 2lbms doctor {site}; if that is {me}, type: "
         "sudo chown {me} {path}"),
    Rule("token.empty", "bad", "{path} is empty", "type: 2lbms influx setup {site}; or put a write token into it"),
    Rule("token.not_a_token", "bad", "{path} does not hold one line of printable ASCII",
         "put the token alone into it, on one line"),
    Rule("token.open", "bad", "{path} can be read by others (mode {mode:04o})", "type: chmod 600 {path}"),
)


def check_tokens(sketch: Sketch) -> Iterator[Finding]:
    """The gateway's token, and those for setting up and for Grafana where the site file names them."""
    influx = sketch.influxdb
    if influx is None:
        return
    named = {"token_file": influx.token_file, "read_token_file": influx.read_token_file,
             "admin_token_file": influx.admin_token_file}
    for key, name in named.items():
        if name is not None:
            yield from check_token(key, sketch.beside(name), sketch.file)


def check_token(key: str, path: Path, site: Path) -> Iterator[Finding]:
    """One token file."""
    if hidden := closed(key, path, site):
        yield hidden
        return
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        yield told("token.missing", key, path=path, site=site)
        return
    if not stat.S_ISREG(found.st_mode):
        yield told("token.not_a_file", key, path=path)
        return
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        yield told("token.open", key, path=path, mode=mode)
    if not os.access(path, os.R_OK):
        yield told("token.unreadable", key, path=path, owner=owner_of(found.st_uid), me=me(), site=site)
        return
    try:
        read_token(path)
    except TokenUnreadable:
        empty = found.st_size == 0 or not path.read_bytes().strip()
        yield told("token.empty" if empty else "token.not_a_token", key, path=path, site=site)
        return
    if not mode & 0o077:
        yield told("token.good", key, path=path)
