from __future__ import annotations

import re
from pathlib import Path

import pytest

from gtrack.git.promisor import (
    ObjectsMissing,
    is_partial,
    missing,
    missing_below,
    prefetch,
    promisor_remotes,
    sizes_here,
    write_tree,
)
from gtrack.git.repo import Repository
from gtrack.git.trees import Entry
from tests.clones import Traced, partial_clone
from tests.conftest import Git, Once

SMALL = 20


def three_files(repo: Path) -> None:
    for name, size in (("small", SMALL), ("large", 20_000), ("deep/larger", 30_000)):
        path = repo / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name[:1].encode() * size)
    whole = Repository.find(repo)
    whole.run("add", "--all")
    whole.run("commit", "--quiet", "--message", "Three files")
    whole.objects.close()


@pytest.fixture
def place(once: Once, tmp_path: Path) -> Path:
    once(three_files)
    return tmp_path / "clone"


@pytest.fixture
def blobs(place: Path, git: Git) -> dict[str, str]:
    """Return path to blob of all files."""
    listing = git("ls-tree", "-r", "HEAD").splitlines()
    return {path: facts.split()[2] for facts, path in (line.split("\t") for line in listing)}


def test_a_whole_repository_lacks_nothing_and_fetches_nothing(place: Path, repo: Path, blobs: dict[str, str]) -> None:
    whole = Repository.find(repo)
    assert not is_partial(whole)
    assert missing(whole, blobs.values()) == set()
    assert prefetch(whole, list(blobs.values())) == 0


def test_what_is_missing_is_told_without_fetching(
    place: Path, repo: Path, blobs: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    partial = partial_clone(repo, place)
    large = {blobs["large"], blobs["deep/larger"]}
    traced = Traced(monkeypatch, tmp_path / "trace")
    assert is_partial(partial)
    assert missing(partial, blobs.values()) == large
    tree = partial.run("rev-parse", "HEAD^{tree}").decode().strip()
    assert missing_below(partial, [tree]) == large
    known = sizes_here(partial, blobs.values())
    assert known[blobs["small"]] == SMALL
    assert not large & known.keys()
    assert traced.fetches() == 0


def test_all_that_is_missing_comes_in_one_request(
    place: Path, repo: Path, blobs: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    partial = partial_clone(repo, place)
    traced = Traced(monkeypatch, tmp_path / "trace")
    assert prefetch(partial, list(blobs.values())) == 2
    assert traced.fetches() == 1
    assert missing(partial, blobs.values()) == set()
    assert prefetch(partial, list(blobs.values())) == 0
    assert traced.fetches() == 1


def test_a_remote_that_is_gone_is_named(place: Path, repo: Path, blobs: dict[str, str]) -> None:
    partial = partial_clone(repo, place)
    repo.rename(repo.with_name("gone"))
    with pytest.raises(ObjectsMissing, match="The remote origin cannot be fetched from") as caught:
        prefetch(partial, list(blobs.values()))
    assert caught.value.oids == {blobs["large"], blobs["deep/larger"]}
    with pytest.raises(Exception, match=r"left what is asked for with its remote, which does not give it: .*repo"):
        partial.objects.get(blobs["large"])


def test_the_second_remote_is_asked_for_what_the_first_does_not_give(
    place: Path, repo: Path, blobs: dict[str, str]
) -> None:
    partial = partial_clone(repo, place)
    partial.run("remote", "rename", "origin", "Team.A")
    partial.run("remote", "set-url", "Team.A", str(repo / "nowhere"))
    partial.run("remote", "add", "second", str(repo))
    partial.run("config", "remote.second.promisor", "true")
    assert promisor_remotes(partial) == ["Team.A", "second"]
    assert prefetch(partial, list(blobs.values())) == 2


def test_a_clone_of_an_older_git_says_its_remote_elsewhere(place: Path, repo: Path) -> None:
    partial = partial_clone(repo, place)
    partial.run("config", "--unset", "remote.origin.promisor")
    assert promisor_remotes(partial) == []
    partial.run("config", "extensions.partialClone", "origin")
    assert promisor_remotes(partial) == ["origin"]


def test_what_no_remote_has_is_told(place: Path, repo: Path) -> None:
    partial = partial_clone(repo, place)
    with pytest.raises(ObjectsMissing, match=re.escape("origin")):
        prefetch(partial, ["1" * 40])


def test_a_tree_of_files_that_are_not_here_is_written_without_fetching(
    place: Path, repo: Path, git: Git, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    partial = partial_clone(repo, place)
    traced = Traced(monkeypatch, tmp_path / "trace")
    listing = [line.split("\t") for line in git("ls-tree", "-r", "HEAD").splitlines()]
    files = {path: Entry(path, facts.split()[0], facts.split()[2]) for facts, path in listing}
    assert write_tree(partial, files) == git("rev-parse", "HEAD^{tree}")
    assert traced.fetches() == 0
