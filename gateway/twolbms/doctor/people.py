"""Users and groups by name, numbers where the machine knows no name."""

from __future__ import annotations

import grp
import os
import pwd


def owner_of(uid: int) -> str:
    """The name of a user."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def group_of(gid: int) -> str:
    """The name of a group."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return f"group {gid}"


def me() -> str:
    """The user who asks."""
    return owner_of(os.geteuid())
