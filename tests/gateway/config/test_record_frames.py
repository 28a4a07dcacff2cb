"""`journal.record_frames`: a site that wants no raw frames, and where that cannot be."""

from pathlib import Path

import pytest

from twolbms.app import site_setup
from twolbms.config.errors import ConfigError
from twolbms.config.site import load_site

SITE = """site: bench
journal: {{record_frames: false}}
buses: [{{name: can, interface: virtual, channel: test{dbc}}}]
packs: [{{name: north, type: lfp_16s_120ah, node: 1, bus: can}}]
"""


def load(tmp_path: Path, dbc: str = ""):
    path = tmp_path / "site.yaml"
    path.write_text(SITE.format(dbc=dbc))
    return load_site(path)


def test_a_site_may_do_without_raw_frames(tmp_path: Path) -> None:
    """Switched off, the engine is told to keep none; the default is to keep them."""
    site = load(tmp_path)
    assert site_setup(site.model_copy(update={"packs": []}), {}).keep_frames is False
    assert type(site.journal)().record_frames is True


def test_a_bus_with_dbc_needs_them(tmp_path: Path) -> None:
    """The signals of a DBC are made of the recorded frames, so the two do not go together."""
    with pytest.raises(ConfigError, match=r"journal.record_frames: expected true: the signals of a bus with dbc"):
        load(tmp_path, ", dbc: [node.dbc]")
