from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.launch.launched import Launcher


@pytest.fixture
def launcher(repo: Path) -> Iterator[Launcher]:
    """Return what writes scripts into a repository and runs them in the real launched child."""
    made = Launcher(repo)
    yield made
    made.close()
