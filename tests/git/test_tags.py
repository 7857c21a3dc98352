"""Tags: what git has is read as it is, whatever somebody made of it, and a tag that exists is never overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from gtrack.errors import GitError, RefChanged
from gtrack.git.objects import Identity
from gtrack.git.repo import Repository
from gtrack.git.tags import NewTag, Tag, create_tags, list_tags, read_tags
from tests.conftest import Git

ANA = Identity("Ana", "ana@example.org")
MESSAGE = "Subject\n\nA: 1\nB: ä\n"


def read(root: Path, *patterns: str) -> dict[str, Tag]:
    return {tag.name: tag for tag in list_tags(Repository.find(root), *patterns)}


def test_what_is_made_is_read(repo: Path, git: Git) -> None:
    head = git("rev-parse", "HEAD")
    create_tags(
        Repository.find(repo), [NewTag("a@v1.0.0", head, MESSAGE), NewTag("a/b#x!#3", head, "One")], ANA, 1_700_000_000
    )
    found = read(repo)
    oid = git("rev-parse", "refs/tags/a@v1.0.0")
    assert found["a@v1.0.0"] == Tag(
        "a@v1.0.0",
        oid,
        True,
        head,
        "commit",
        "Ana <ana@example.org>",
        1_700_000_000,
        MESSAGE,
        said_name="a@v1.0.0",
    )
    assert found["a/b#x!#3"].message == "One\n"
    assert git("cat-file", "-t", oid) == "tag"
    assert git("tag", "--list", "--format=%(contents:subject) %(taggerdate:unix)", "a@*") == "Subject 1700000000"
    git("fsck", "--strict")


def test_a_tag_that_exists_is_never_overwritten_and_all_are_made_or_none(repo: Path, git: Git) -> None:
    head, opened = git("rev-parse", "HEAD"), Repository.find(repo)
    create_tags(opened, [NewTag("a", head, "first")], ANA)
    before = git("rev-parse", "refs/tags/a")
    with pytest.raises(RefChanged):
        create_tags(opened, [NewTag("b", head, "x"), NewTag("a", head, "second")], ANA)
    assert git("tag") == "a"
    assert git("rev-parse", "refs/tags/a") == before


@pytest.mark.parametrize("name", ["a..b", "a b", "a/", "x.lock", "a~1"])
def test_names_that_no_ref_can_have(repo: Path, git: Git, name: str) -> None:
    with pytest.raises(GitError):
        create_tags(Repository.find(repo), [NewTag(name, git("rev-parse", "HEAD"), "x")], ANA)
    assert git("tag") == ""


def test_a_commit_that_is_not_here(repo: Path, git: Git) -> None:
    with pytest.raises(GitError, match="mktag"):
        create_tags(Repository.find(repo), [NewTag("a", "1" * 40, "x")], ANA)
    assert git("tag") == ""


def test_nothing_to_make(repo: Path, git: Git) -> None:
    create_tags(Repository.find(repo), [], ANA)
    assert git("tag") == ""


@pytest.mark.parametrize("name", ["Ana\nobject 123", "", "<>", "Zoë"])
def test_a_tagger_whom_git_would_refuse(repo: Path, git: Git, name: str) -> None:
    create_tags(Repository.find(repo), [NewTag("a", git("rev-parse", "HEAD"), "x")], Identity(name, ""))
    assert read(repo)["a"].target == git("rev-parse", "HEAD")


def test_lightweight_nested_and_on_other_things(repo: Path, git: Git) -> None:
    head = git("rev-parse", "HEAD")
    git("tag", "light")
    git("tag", "-a", "-m", "one", "one")
    git("tag", "-a", "-m", "two", "two", "one")
    git("tag", "-a", "-m", "three", "three", "two")
    git("tag", "-a", "-m", "tree", "tree", "HEAD^{tree}")
    found = read(repo)
    assert (found["light"].annotated, found["light"].target, found["light"].kind) == (False, head, "commit")
    assert (found["three"].annotated, found["three"].target, found["three"].kind) == (True, head, "commit")
    assert [found[name].nested for name in ("one", "two", "three")] == [False, True, True]
    assert found["three"].message == "three\n"
    assert found["tree"].kind == "tree"


def test_one_tag_whose_object_is_gone_does_not_hide_the_others(repo: Path, git: Git) -> None:
    head = git("rev-parse", "HEAD")
    for name in ("a", "b"):
        git("tag", "-a", "-m", f"{name}\n\nRun: 1", name)
    git("tag", "c")
    gone = git("rev-parse", "refs/tags/a")
    (repo / ".git" / "objects" / gone[:2] / gone[2:]).unlink()
    found = read(repo)
    assert (found["a"].target, found["a"].kind) == ("", "")
    assert (found["b"].target, found["b"].kind, found["b"].message) == (head, "commit", "b\n\nRun: 1\n")
    assert found["b"].tagger == "Ana <ana@example.org>"
    assert found["c"].target == head


def test_a_commit_that_is_gone_is_known_by_its_id(repo: Path, git: Git) -> None:
    commit = git("commit-tree", "-m", "x", "HEAD^{tree}")
    git("tag", "-a", "-m", "a", "a", commit)
    (repo / ".git" / "objects" / commit[:2] / commit[2:]).unlink()
    assert (read(repo)["a"].target, read(repo)["a"].kind) == (commit, "commit")


def test_a_signature_is_no_part_of_the_message(repo: Path, git: Git) -> None:
    head = git("rev-parse", "HEAD")
    signature = "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n"
    text = f"object {head}\ntype commit\ntag a\ntagger A <a@b> 1 +0000\n\nSubject\n\nRun: 1\n{signature}"
    git("update-ref", "refs/tags/a", git("hash-object", "-t", "tag", "-w", "--stdin", stdin=text))
    found = read(repo)["a"]
    assert (found.signed, found.message) == (True, "Subject\n\nRun: 1\n")


def test_a_signature_that_a_message_quotes_is_part_of_it(repo: Path, git: Git) -> None:
    quoted = "Subject\n\n-----BEGIN PGP SIGNATURE-----\nx\n\nRun: 1\n"
    signature = "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n"
    head = f"object {git('rev-parse', 'HEAD')}\ntype commit\ntag a\ntagger A <a@b> 1 +0000\n\n"
    git(
        "update-ref",
        "refs/tags/a",
        git("hash-object", "-t", "tag", "-w", "--stdin", stdin=f"{head}{quoted}{signature}"),
    )
    found = read(repo)["a"]
    assert (found.signed, found.message) == (True, quoted)
    assert read_tags(Repository.find(repo), {"a": found.oid}) == [found]


@pytest.mark.parametrize(
    "tagger", ["", "tagger A <a@b>\n", "tagger <> 99999999999999999999 +0000\n", "tagger A <a@b> -5 +0000\n"]
)
def test_taggers_of_hand_made_objects(repo: Path, git: Git, tagger: str) -> None:
    text = f"object {git('rev-parse', 'HEAD')}\ntype commit\ntag a\n{tagger}\nx\n"
    oid = git("hash-object", "-t", "tag", "-w", "--literally", "--stdin", stdin=text)
    git("update-ref", "refs/tags/a", oid)
    git("tag", "-a", "-m", "b", "b")
    found = read(repo)
    assert found["a"].target == found["b"].target
    assert found["b"].time is not None


@pytest.mark.parametrize("end", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\r"])
@pytest.mark.parametrize(
    "word", ["tagger A{}tag b{}object {} <a@b> 1 +0000", "tagger A <a@b> 1 +0000\ngpgsig x{}tag b{}object {}"]
)
def test_what_is_within_a_line_is_no_line(repo: Path, git: Git, word: str, end: str) -> None:
    head = git("rev-parse", "HEAD")
    text = f"object {head}\ntype commit\ntag a\n{word.format(end, end, '1' * 40)}\n\nx\n"
    oid = git("hash-object", "-t", "tag", "-w", "--literally", "--stdin", stdin=text)
    git("update-ref", "refs/tags/a", oid)
    listed, read_one = read(repo)["a"], read_tags(Repository.find(repo), {"a": oid})[0]
    for found in (listed, read_one):
        assert (found.target, found.kind, found.said_name) == (head, "commit", "a")


def test_the_name_that_a_tag_says_it_has(repo: Path, git: Git) -> None:
    git("tag", "-a", "-m", "a", "a")
    git("update-ref", "refs/tags/b", git("rev-parse", "refs/tags/a"))
    git("tag", "-a", "-m", "c", "c", "a")
    git("tag", "light")
    assert {name: tag.said_name for name, tag in read(repo).items()} == {"a": "a", "b": "a", "c": "c", "light": ""}


def test_patterns(repo: Path, git: Git) -> None:
    for name in ("v1", "m@v1.0.0", "m#a/b#1", "d/m@v1.0.0", "d=m#x", "deep/er/m#s/t#2", "mm@v1.0.0"):
        git("tag", "-a", "-m", "x", name)
    assert sorted(read(repo, "**/*[@#]*", "**/*[@#]*/**")) == sorted(set(read(repo)) - {"v1"})
    assert sorted(read(repo, "m[@#]*", "m[@#]*/**")) == ["m#a/b#1", "m@v1.0.0"]
