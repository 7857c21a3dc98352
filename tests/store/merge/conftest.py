"""States of the runs branch, made directly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from gtrack.formats.names import run_path
from gtrack.git.objects import Change, FastImport, Identity
from gtrack.git.repo import Repository
from gtrack.store.merge.merge import merge
from gtrack.store.merge.outcome import Merged
from tests.conftest import copy_repository

ANA = Identity("Ana", "ana@example.org")
NEWS = "Experiment: default\n"

Files = Mapping[str, bytes | None]


def run_id(number: int) -> str:
    """Return the id of a run; those of one shard have numbers that are equal modulo 16."""
    return f"{number % 16:02x}{number:030x}"


def place(number: int, experiment: str = "default") -> str:
    return run_path(experiment, run_id(number))


class States:
    """Makes states of the branch and looks into them.

    Args:
        repo: the repository.
    """

    def __init__(self, repo: Repository) -> None:
        self.repo = repo

    def commit(self, files: Files, *parents: str, seconds: int = 0, message: str = f"x\n\n{NEWS}") -> str:
        """Return a commit that puts some files (paths and bytes, None to remove) into the tree of its first parent."""
        with FastImport(self.repo) as stream:
            changes = [Change(path, None if data is None else stream.blob(data)) for path, data in files.items()]
            mark = stream.commit(parents, changes, message, ANA, seconds)
        return stream.oids[mark]

    def entries(self, changes: Sequence[Change], *parents: str) -> str:
        """Return a commit with entries of any mode."""
        with FastImport(self.repo) as stream:
            mark = stream.commit(parents, changes, "x\n", ANA, 0)
        return stream.oids[mark]

    def tree(self, commit: str) -> str:
        return str(self.repo.resolve(f"{commit}^{{tree}}"))

    def paths(self, commit: str) -> list[str]:
        return [
            path for path in self.repo.run("ls-tree", "-r", "-z", "--name-only", commit).decode().split("\0") if path
        ]

    def file(self, commit: str, path: str) -> bytes | None:
        found = self.repo.objects.get(f"{commit}:{path}")
        return found.data if found else None

    def merged(self, ours: str | None, theirs: str) -> Merged:
        """Merge two states, each way, and return the one way: the tree must be the same, and no merge must change it again."""
        found = merge(self.repo, ours, theirs, ANA, source="theirs")
        if ours is not None:
            other = merge(self.repo, theirs, ours, ANA, source="ours")
            if not found.refused:
                assert self.tree(found.commit) == self.tree(other.commit)
                again = merge(self.repo, found.commit, other.commit, ANA, source="again")
                assert self.tree(again.commit) == self.tree(found.commit)
                assert again.taken == ()
            assert merge(self.repo, found.commit, theirs, ANA, source="again").commit == found.commit
        return found


@pytest.fixture(scope="module")
def shared(first_commit: Path, tmp_path_factory: pytest.TempPathFactory) -> States:
    """Return the one repository that all examples of the properties of a module are made in."""
    root = tmp_path_factory.mktemp("shared")
    copy_repository(first_commit, root)
    return States(Repository.find(root))


@pytest.fixture
def states(repo: Path) -> States:
    return States(Repository.find(repo))
