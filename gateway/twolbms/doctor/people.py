"""Users and groups by name, numbers where the machine knows no name."""

from __future__ import annotations

import grp

from twolbms.config.path_state import me, owner_of

__all__ = ["group_of", "me", "owner_of"]


def group_of(gid: int) -> str:
    """The name of a group."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return f"group {gid}"
