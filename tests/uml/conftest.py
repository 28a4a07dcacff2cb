"""The guest as a fixture; tests that use it skip, or fail where TWOLBMS_REQUIRE names it, without User Mode Linux."""

from __future__ import annotations

import pytest

from servers.need import need
from uml.guest import Guest


@pytest.fixture(scope="session")
def uml(tmp_path_factory: pytest.TempPathFactory) -> Guest:
    """A kernel with CAN, booted anew for each command."""
    return Guest(need("uml"), tmp_path_factory.mktemp("uml"))
