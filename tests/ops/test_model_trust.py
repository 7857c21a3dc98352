"""The digests of what was written on this machine, in one file that a power cut may tear."""

from __future__ import annotations

from pathlib import Path

from gtrack.git.repo import Repository
from gtrack.ops.model_trust import remember, trusted_digests, trusted_file

A, B, C = "a" * 64, "b" * 64, "c" * 64


def test_a_torn_line_does_not_take_the_next_digest_along(repo: Path) -> None:
    found = Repository.find(repo)
    assert trusted_digests(found) == frozenset()
    remember(found, [A])
    path = trusted_file(found)
    path.write_bytes(path.read_bytes() + B[:20].encode())
    remember(found, [B, C])
    assert trusted_digests(found) == {A, B, C}


def test_nothing_to_remember_leaves_no_file(repo: Path) -> None:
    remember(Repository.find(repo), [])
    assert not trusted_file(Repository.find(repo)).exists()
