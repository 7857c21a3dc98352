"""The digests of what was written on this machine, in one file that a power cut may tear."""

from __future__ import annotations

import resource
import signal
from pathlib import Path

import pytest

from gtrack.errors import ArtifactError
from gtrack.git.repo import Repository
from gtrack.models.trust import as_artifact
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


def test_what_is_an_artifact_stays_one(repo: Path) -> None:
    found = Repository.find(repo)
    remember(found, [A, as_artifact(B, A)])
    with trusted_file(found).open("a") as file:
        file.write(f"{C} model\n{C} artifact\n{C} artifact of {A[:20]}\n")
    assert trusted_digests(found) == {A, f"{B} artifact of {A}"}


def test_a_full_disk_is_told_and_leaves_no_half_line(repo: Path) -> None:
    found = Repository.find(repo)
    remember(found, [A])
    before = trusted_file(found).read_bytes()
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, limits[1]))
    try:
        with pytest.raises(ArtifactError, match="cannot be written, which says that a model was made here"):
            remember(found, [B])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert trusted_file(found).read_bytes() == before


def test_nothing_to_remember_leaves_no_file(repo: Path) -> None:
    remember(Repository.find(repo), [])
    assert not trusted_file(Repository.find(repo)).exists()
