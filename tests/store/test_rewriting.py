"""The runs branch written anew: what a message says more, and every tree less what is gone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtrack.formats.names import run_path
from gtrack.git.objects import Change, FastImport, Identity
from gtrack.git.refs import Update, update
from gtrack.project import Project
from gtrack.store.rewriting import REWRITTEN, Rewriting, runs_at, with_trailer
from tests.conftest import Git, examples

ANA = Identity("Ana", "ana@example.org")
IDS = [f"{number:02x}" + f"{number:x}" * 30 for number in range(6)]
PATHS = [f"{run_path('e' if number % 2 else 'a b', one)}/run.yaml" for number, one in enumerate(IDS)]
OTHERS = ["experiments/e/experiment.yaml", "experiments/a b/experiment.yaml"]


def test_a_trailer_stands_with_the_others_or_in_a_paragraph_of_its_own() -> None:
    assert with_trailer("Subject\n\nRun: a\n", "Key", "b") == "Subject\n\nRun: a\nKey: b\n"
    assert with_trailer("Subject\n", "Key", "b") == "Subject\n\nKey: b\n"
    assert with_trailer("Run: a", "Key", "b") == "Run: a\n\nKey: b\n"
    assert with_trailer("Remove 1 run\n\nid e name: rule\n", "Key", "b") == (
        "Remove 1 run\n\nid e name: rule\n\nKey: b\n"
    )


@given(st.text(st.sampled_from("Ab: \n"), min_size=1, max_size=40))
def test_the_message_begins_as_it_was_and_trailers_accumulate(message: str) -> None:
    once = with_trailer(message, REWRITTEN, "1")
    twice = with_trailer(once, REWRITTEN, "2")
    assert once.startswith(message.rstrip("\n"))
    assert twice == f"{once}{REWRITTEN}: 2\n"


commits = st.lists(
    st.tuples(
        st.integers(0, 3),  # how far back the first parent is
        st.one_of(st.none(), st.integers(0, 3)),  # and a second one
        st.dictionaries(st.sampled_from([*PATHS, *OTHERS]), st.one_of(st.none(), st.binary(max_size=3)), max_size=4),
    ),
    min_size=1,
    max_size=8,
)


def listing(project: Project, commit: str) -> dict[str, str]:
    out = project.repo.run("ls-tree", "-r", "-z", commit).decode().split("\0")
    return {line.split("\t")[1]: line.split()[2] for line in out if line}


@pytest.fixture(scope="module")
def ground(first_commit: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository that all examples write to; no ref there moves."""
    place = tmp_path_factory.mktemp("ground")
    shutil.copytree(first_commit, place, dirs_exist_ok=True)
    return place


@examples(15)
@given(shape=commits, gone=st.sets(st.sampled_from(IDS)), at=st.integers(0, 7))
def test_each_tree_is_the_old_one_less_what_is_gone_whatever_the_history(
    ground: Path, shape: list[tuple[int, int | None, dict[str, bytes | None]]], gone: set[str], at: int
) -> None:
    project = Project.open(ground)
    with FastImport(project.repo) as stream:
        marks: list[str] = []
        for number, (first, second, files) in enumerate(shape):
            parents = [marks[-1 - back] for back in (first, second) if back is not None and back < len(marks)]
            changes = [Change(path, None if data is None else stream.blob(data)) for path, data in files.items()]
            # An empty tree is no branch: there is always something of an experiment.
            changes.append(Change("experiments/x/experiment.yaml", stream.blob(b"x")))
            message = f"Commit {number}\n\nExperiment: e\n"
            marks.append(stream.commit(list(dict.fromkeys(parents)), changes, message, ANA, number))
    tip, middle = stream.oids[marks[-1]], stream.oids[marks[min(at, len(marks) - 1)]]
    # As after a first look at an earlier state of the branch, which the newest contains.
    start = middle if project.repo.answer("merge-base", "--is-ancestor", middle, tip)[0] == 0 else tip
    rewriting = Rewriting(project.repo, start)
    rewriting.write(gone)
    made = rewriting.write_on(tip, gone, "Purge\n", ANA, 9)
    old = project.repo.run("rev-list", "--topo-order", tip).decode().split()
    new = project.repo.run("rev-list", "--topo-order", f"{made}^").decode().split()
    assert len(old) == len(new)
    said = {}
    for commit in new:
        message = project.repo.run("log", "-1", "--format=%B", commit).decode()
        said[message.split(f"{REWRITTEN}: ")[1].strip()] = commit
    assert said.keys() == set(old)
    for commit, twin in said.items():
        kept = {path: oid for path, oid in listing(project, commit).items() if not gone.intersection(path.split("/"))}
        assert listing(project, twin) == kept
        shown = [
            project.repo.run("log", "-1", "--format=%an %at %s %P", one).decode().split() for one in (commit, twin)
        ]
        assert shown[0][:4] == shown[1][:4]
        assert [said[parent] for parent in shown[0][4:]] == shown[1][4:]
    assert runs_at(project.repo, made) == runs_at(project.repo, tip) - gone
    project.close()


def test_nothing_refers_to_what_is_written(repo: Path, git: Git) -> None:
    project = Project.open(repo)
    with FastImport(project.repo) as stream:
        change = Change(PATHS[0], stream.blob(b"x"))
        mark = stream.commit([], [change], "Commit\n\nExperiment: e\n", ANA, 0)
    update(project.repo, [Update("refs/heads/gtrack/runs", stream.oids[mark], "")], ANA, "test")
    refs = git("for-each-ref")
    rewriting = Rewriting(project.repo, stream.oids[mark])
    assert rewriting.seen == {IDS[0]}
    rewriting.write({IDS[0]})
    assert git("for-each-ref") == refs
