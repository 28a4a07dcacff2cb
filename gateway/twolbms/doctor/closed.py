"""A folder that the asking user may not pass: what lies in it cannot be looked at, and is not said to be absent."""

from __future__ import annotations

from pathlib import Path

from twolbms.config.path_state import Closed, me, state_of
from twolbms.doctor.rules import Finding, Rule, Rules

told = Rules(
    Rule("folder.closed", "bad", "{folder} is closed to {me}: {path} cannot be looked at",
         "run this as the folder's owner: sudo -u {owner} 2lbms doctor {site}"),
)


def closed(subject: str, path: Path, site: object, found: Closed | None = None) -> Finding | None:
    """What hides `path` (`found`, where that is known already), or None."""
    state = found or state_of(path)
    if not isinstance(state, Closed):
        return None
    return told("folder.closed", subject, folder=state.folder, owner=state.owner, me=me(), path=path, site=site)
