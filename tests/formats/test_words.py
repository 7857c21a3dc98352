from __future__ import annotations

import pytest

from gtrack.formats.words import plural, size


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (12_345, "12 kB"),
        (999_600, "1.0 MB"),
        (45_000_000, "45 MB"),
        (1_100_000_000, "1.1 GB"),
        (10**16, "10000 TB"),
    ],
)
def test_size(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 runs"), (1, "1 run"), (1797, "1,797 runs")])
def test_plural(count: int, text: str) -> None:
    assert plural(count, "run") == text
