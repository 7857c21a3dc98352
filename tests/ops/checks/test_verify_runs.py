"""Each thing that can be wrong with a run, its code, its large artifacts, or the branch, is found by name, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gtrack.errors import RunNotFound
from gtrack.git.lfs import object_path
from gtrack.ops.checks.verify_runs import RunVerification, verify_runs
from gtrack.ops.edit import edit_tags
from gtrack.ops.remove import remove_all, restore_run
from gtrack.project import Project
from gtrack.store.merge.merge import merge
from tests.conftest import Git
from tests.ops.checks.conftest import BRANCH, Runs, Tamper, inside
from tests.ops.conftest import OpenProject


def texts(found: RunVerification) -> list[str]:
    return [f"{one.about}: {one.text}" for one in found.errors]


def test_runs_that_gtrack_made_edited_removed_and_merged_have_no_errors_and_no_notes(
    runs: Runs, project: Project, git: Git
) -> None:
    base = git("rev-parse", BRANCH)
    edit_tags(project, runs["plain"], {"ours": "1"})
    remove_all(project, [runs["large"], runs["broken"]])
    restore_run(project, runs["large"].id)
    ours = git("rev-parse", BRANCH)
    git("update-ref", f"refs/heads/{BRANCH}", base)
    edit_tags(project, runs["plain"], {"theirs": "2"})
    merged = merge(project.repo, git("rev-parse", BRANCH), ours, project.identity(), source="box")
    git("update-ref", f"refs/heads/{BRANCH}", merged.commit)
    found = verify_runs(project)
    assert [(one.about, one.text) for one in found.faults] == []
    assert (found.runs, found.commits, found.large) == (2, 8, 1)


@pytest.mark.usefixtures("runs")
def test_a_history_that_is_read_by_a_process_beside_this_one_is_told_alike(
    project: Project, tamper: Tamper, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert verify_runs(project).errors == []
    tamper({"notes.txt": b"no run\n"})
    here = verify_runs(project)
    monkeypatch.setattr("gtrack.ops.checks.verify_runs._MANY", 1)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert verify_runs(project) == here
    assert any("notes.txt" in text for text in texts(here))


def test_a_branch_that_is_not_there_has_no_faults(project: Project) -> None:
    assert verify_runs(project) == RunVerification((), commits=0, branch=BRANCH)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("run.yaml", b"a: &a [1]\n" + b"b: *a\n" * 30, "aliases"),
        ("run.yaml", b"status: sleeping\n", "lacks schema, id, name, experiment, started"),
        ("params.yaml", b"lr: [1\n", "params.yaml is not valid YAML"),
        ("params.yaml", b"#" * (17 << 20), "more than is read"),
        ("metrics.yaml", b"other: 1.0\n", "metrics.yaml lacks what history.yaml has: loss"),
        ("metrics.yaml", b"loss: low\n", "metrics.yaml has what is no number: loss"),
        ("history.yaml", b'- {"step": 0, "loss": 1.0}\nrubbish\n', "1 lines are no rows: line 2"),
        ("artifacts/.gitattributes", b'"/gone.bin" filter=lfs diff=lfs merge=lfs -text\n', "names what is not there"),
        ("artifacts/a\\b", b"x", "artifacts/a\\b: a name that is not safe on every system"),
    ],
)
def test_a_damaged_file_is_named_with_its_run(
    runs: Runs, project: Project, tamper: Tamper, name: str, content: bytes, said: str
) -> None:
    tamper({inside(runs["plain"], name): content})
    found = [one for one in verify_runs(project).errors if one.about.endswith(runs["plain"].id)]
    assert found
    assert any(said in one.text for one in found), texts(verify_runs(project))


def test_a_run_that_says_it_is_another_or_ended_and_runs_is_found(
    runs: Runs, project: Project, tamper: Tamper, git: Git
) -> None:
    path = inside(runs["plain"], "run.yaml")
    text = git("show", f"{BRANCH}:{path}")
    lied = text.replace(runs["plain"].id, "f" * 32).replace("experiment: forest", "experiment: other")
    tamper({path: (lied.replace("status: finished", "status: running") + "\n").encode()})
    said = " ".join(texts(verify_runs(project)))
    assert "says that it is run 'ffff" in said
    assert "says that it is of the experiment 'other'" in said
    assert "its status is running, though it says when it ended" in said


def test_hostile_entries_are_refused_by_name_and_other_runs_are_still_verified(
    runs: Runs, project: Project, tamper: Tamper
) -> None:
    tamper({inside(runs["plain"], "artifacts/link"): b"/etc/passwd"}, mode="120000")
    tamper({"experiments/forest/zz": b"a file", "elsewhere.txt": b"x", "experiments/forest/00": b"in the way"})
    found = verify_runs(project)
    said = texts(found)
    assert any("artifacts/link: a symbolic link" in one for one in said)
    assert any(one.startswith("experiments/forest/zz: a file") for one in said)
    assert any(one.startswith("experiments/forest/00: a file") for one in said)
    assert any(one.startswith("elsewhere.txt: a file") for one in said)
    assert any("it touches what is no run" in one for one in said)
    assert found.runs == 3


def test_what_the_history_lost_is_told_with_who_and_when(
    runs: Runs, project: Project, tamper: Tamper, git: Git
) -> None:
    history, head = inside(runs["plain"], "history.yaml"), inside(runs["broken"], "run.yaml")
    rows = git("show", f"{BRANCH}:{history}").splitlines()
    changed = tamper({history: "\n".join([rows[0], *rows[2:], ""]).encode()})
    code = git("show", f"{BRANCH}:{head}").replace(f"commit: {runs['broken'].code.commit}", f"commit: {'1' * 40}")
    rewrote = tamper({head: code.encode() + b"\n"})
    parts = tamper({inside(runs["plain"], "artifacts/report.txt"): None})
    silent = tamper({inside(runs["large"], ""): None}, "Nothing to see\n")
    found = {one.commit: one for one in verify_runs(project).errors if one.commit}
    assert "1 rows of history.yaml" in found[changed].text
    assert "rewrites what run.yaml said of code (commit)" in found[rewrote].text
    assert "removes parts of runs" in found[parts].text
    assert f"removes runs without saying so: forest/{runs['large'].id}" in found[silent].text
    assert all(one.who == "Mallory <mallory@example.org>" and one.when for one in found.values())
    # The code that it names now is not here, either.
    assert any("its code '1111111111' is not here" in one for one in texts(verify_runs(project)))


def test_a_merge_that_loses_a_run_is_found(runs: Runs, project: Project, tamper: Tamper, git: Git) -> None:
    base = git("rev-parse", BRANCH)
    edit_tags(project, runs["plain"], {"a": "1"})
    ours = git("rev-parse", BRANCH)
    tree = git("rev-parse", f"{tamper({inside(runs['large'], ''): None})}^{{tree}}")
    evil = git("commit-tree", tree, "-p", ours, "-p", base, "-m", "Merge 1 run of box\n\nMerged-From: box")
    git("update-ref", f"refs/heads/{BRANCH}", evil)
    assert [one.text for one in verify_runs(project).errors] == [
        f"it loses run {runs['large'].id}, which nobody removed"
    ]


def test_a_run_commit_that_changes_the_code_or_stands_elsewhere_is_found(
    runs: Runs, project: Project, git: Git
) -> None:
    tip = git("rev-parse", BRANCH)
    own = git("rev-parse", f"{tip}^2")
    index = {"GIT_INDEX_FILE": str(project.repo.git_dir / "forging")}
    git("read-tree", own, env=index)
    git("update-index", "--force-remove", "README.md", env=index)
    message = git("show", "-s", "--format=%B", own)
    parent = git("rev-parse", f"{own}^")
    forged = git("commit-tree", git("write-tree", env=index), "-p", parent, "-m", message)
    elsewhere = git("commit-tree", f"{own}^{{tree}}", "-p", git("rev-parse", f"{parent}^"), "-m", message)
    said = []
    for commit in (forged, elsewhere):
        made = git("commit-tree", f"{tip}^{{tree}}", "-p", f"{tip}^1", "-p", commit, "-m", message)
        git("update-ref", f"refs/heads/{BRANCH}", made)
        said += [one.text for one in verify_runs(project).errors]
    assert f"its own commit {forged[:10]} changes the code, too: README.md" in said
    assert any("cannot be reached from its own commit" in one for one in said)


def test_large_artifacts_are_read_and_missing_ones_are_notes_unless_demanded(runs: Runs, project: Project) -> None:
    path = next(
        Path(place, name) for place, _, names in os.walk(project.repo.common_dir / "lfs" / "objects") for name in names
    )
    assert path == object_path(project.repo, path.name)
    data = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(b"W" + data[1:])
    [error] = verify_runs(project).errors
    assert "artifacts/model.ckpt: its content of 7000 bytes" in error.text
    assert "is damaged" in error.text
    path.unlink()
    found = verify_runs(project)
    assert (len(found.errors), ["is not here" in one.text for one in found.notes]) == (0, [True])
    assert len(verify_runs(project, large=True).errors) == 1


def test_only_the_runs_that_were_asked_for_are_looked_at(runs: Runs, project: Project, tamper: Tamper) -> None:
    tamper({inside(runs["plain"], "params.yaml"): b"[\n"})
    assert verify_runs(project, {runs["large"].id}).errors == []
    assert len(verify_runs(project, {runs["plain"].id}).errors) == 1
    with pytest.raises(RunNotFound):
        verify_runs(project, {"0" * 32})


def test_a_shallow_clone_says_what_it_cannot_look_at(
    runs: Runs, repo: Path, git: Git, tmp_path: Path, open_project: OpenProject
) -> None:
    git("clone", "-q", "--depth", "1", "--no-single-branch", f"file://{repo}", str(tmp_path / "shallow"))
    git("branch", BRANCH, f"origin/{BRANCH}", cwd=tmp_path / "shallow")
    found = verify_runs(open_project(tmp_path / "shallow"))
    assert texts(found) == []
    assert any("its history is cut off here" in one.text for one in found.notes)
    assert found.runs == len(runs)


def test_a_partial_clone_fetches_nothing_and_says_what_it_has_not_seen(
    runs: Runs, repo: Path, git: Git, tmp_path: Path, open_project: OpenProject
) -> None:
    git("config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "partial"
    git("clone", "-q", "--filter=blob:none", f"file://{repo}", str(clone))
    git("branch", BRANCH, f"origin/{BRANCH}", cwd=clone)
    before = git("count-objects", "-v", cwd=clone)
    found = verify_runs(open_project(clone))
    assert texts(found) == []
    assert any("that this partial clone left with its remote" in one.text for one in found.notes)
    assert git("count-objects", "-v", cwd=clone) == before
    assert found.runs == len(runs)
