from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.command import Workplace


@pytest.fixture
def work(repo: Path) -> Workplace:
    """A repository with one commit, in which gtrack can be run."""
    return Workplace(repo)
