"""Each thing that can be wrong with a run, its code, its large artifacts, or the branch, is found by name, and nothing else."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path

import pytest

from gtrack.errors import RunNotFound
from gtrack.git.lfs import object_path
from gtrack.ops.checks.findings import Severity
from gtrack.ops.checks.verify_runs import RunVerification, verify_runs
from gtrack.ops.edit import edit_end, edit_tags
from gtrack.ops.remove import remove_all, restore_at, restore_last, restore_removed, restore_run
from gtrack.ops.retention.purge import purge
from gtrack.project import Project
from gtrack.store.merge.merge import merge
from gtrack.writer import ActiveRun
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
        ("params.yaml", b"lr: 0.1\nlr: 0.2\n", "params.yaml says twice what is said once"),
        ("metrics.yaml", b"loss: 0.8\nloss: 0.8\n", "readers take the last: loss"),
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
    assert f"rewrites what run.yaml said of code (commit {runs['broken'].code.commit} → 1111" in found[rewrote].text
    assert "removes parts of runs" in found[parts].text
    assert f"removes runs without saying so: forest/{runs['large'].id}" in found[silent].text
    assert all(one.who == "Mallory <mallory@example.org>" and one.when for one in found.values())
    # The code that it names now is not here, either.
    assert any("its code '1111111111' is not here" in one for one in texts(verify_runs(project)))


def test_a_value_that_no_run_commit_brought_is_an_error_with_what_it_was(
    runs: Runs, project: Project, tamper: Tamper, git: Git
) -> None:
    edit_end(project, runs["broken"], "killed")
    [note] = verify_runs(project).faults
    assert (note.severity, note.text.partition(": ")[2]) == (
        Severity.NOTE,
        "it says anew how the run ended: status failed → killed",
    )
    path, head = inside(runs["plain"], "metrics.yaml"), inside(runs["plain"], "run.yaml")
    honest = git("show", f"{BRANCH}:{path}") + "\n"
    forged = tamper({path: honest.replace("loss: 0.8", "loss: 0.01").encode()})
    lr = tamper({inside(runs["large"], "params.yaml"): b"lr: 0.5\n"})
    said = git("show", f"{BRANCH}:{head}").replace(f"user: {runs['plain'].user}", "user: eve")
    user = tamper({head: said.encode() + b"\n"})
    found = {one.commit: one.text.partition(": ")[2] for one in verify_runs(project).errors}
    assert found == {
        forged: "it changes metrics.yaml, which only a run commit does: loss 0.8 → 0.01",
        lr: "it changes params.yaml, which only a run commit does: lr 0.1 → 0.5",
        user: f"it rewrites what run.yaml said of user ({runs['plain'].user} → eve)",
    }


def test_a_forged_value_is_found_in_a_merge_and_behind_a_run_commit_of_before(
    runs: Runs, project: Project, tamper: Tamper, git: Git
) -> None:
    path = inside(runs["plain"], "metrics.yaml")
    base = git("rev-parse", BRANCH)
    own = project.store.run_commit(runs["plain"].id)
    edit_tags(project, runs["plain"], {"ours": "1"})
    ours = git("rev-parse", BRANCH)
    tree = git("rev-parse", f"{tamper({path: b'loss: 0.01' + bytes([10])})}^{{tree}}")
    said = "Merge 1 run of box\n\nMerged-From: box"
    taken = f"forest: plain finished\n\nRun: {runs['plain'].id}"
    for other, message, expected in (
        (base, said, "it gives metrics.yaml values that neither side had: loss 0.8 → 0.01"),
        (str(own), taken, "it gives metrics.yaml values that neither side had: loss 0.8 → 0.01"),
    ):
        git("update-ref", f"refs/heads/{BRANCH}", git("commit-tree", tree, "-p", ours, "-p", other, "-m", message))
        assert expected in [one.text.partition(": ")[2] for one in verify_runs(project).errors]


def test_a_run_that_was_put_back_as_it_was_has_no_error_and_one_put_back_as_it_never_was_has(
    runs: Runs, project: Project, tamper: Tamper, git: Git
) -> None:
    path = inside(runs["plain"], "metrics.yaml")
    honest = git("show", f"{BRANCH}:{path}") + "\n"
    tamper({path: b"loss: 0.01\n"})
    tamper({path: honest.encode()}, "forest: plain restored\n")
    assert texts(verify_runs(project)) == []
    lie = tamper({path: b"loss: 0.02\n"}, "forest: plain restored\n")
    [error] = verify_runs(project).errors
    assert error.commit == lie
    assert "it says that it restores metrics.yaml, which never was so" in error.text


def test_putting_back_a_run_without_what_it_got_later_is_no_error_and_without_what_it_always_had_is(
    runs: Runs, project: Project, tamper: Tamper, git: Git
) -> None:
    before = git("rev-parse", BRANCH)
    more = ActiveRun.resume(project, runs["plain"].id)
    more.log_bytes(b"later", "later.txt")
    more.end("finished")
    restore_at(project, runs["plain"].id, before)
    assert texts(verify_runs(project)) == []
    lie = tamper({inside(runs["plain"], "params.yaml"): None}, "forest: plain restored\n")
    [error] = verify_runs(project).errors
    assert (error.commit, error.text.partition(": ")[0]) == (lie, "it removes parts of runs")


def test_what_was_restored_is_as_it_was_after_a_purge_too(runs: Runs, project: Project) -> None:
    edit_tags(project, runs["plain"], {"a": "1"})
    remove_all(project, [runs["large"], runs["broken"], runs["plain"]])
    restore_last(project)
    edit_tags(project, runs["plain"], {"b": "2"})
    assert [one.text for one in verify_runs(project).faults] == []
    remove_all(project, [runs["broken"]])
    purge(project, datetime.now(timezone.utc))
    restore_removed(project, runs["broken"].id)
    assert texts(verify_runs(project)) == []


def test_what_verify_advises_mends_a_forged_run(runs: Runs, project: Project, tamper: Tamper) -> None:
    forged = tamper({inside(runs["plain"], "metrics.yaml"): b"loss: 0.01\n"})
    edit_tags(project, runs["plain"], {"seen": "yes"})
    assert "gtrack restore RUN --at COMMIT^1" in verify_runs(project).errors[0].remedy
    restore_at(project, runs["plain"].id, f"{forged}^1")
    assert project.store.run(runs["plain"].id).metrics == {"loss": 0.8}
    assert texts(verify_runs(project)) == []


def test_a_run_that_is_moved_by_hand_is_found(runs: Runs, project: Project, tamper: Tamper, git: Git) -> None:
    there = {name: git("show", f"{BRANCH}:{inside(runs['plain'], name)}") for name in ("run.yaml", "metrics.yaml")}
    moved = {inside(runs["plain"], name).replace("/forest/", "/other/"): text.encode() for name, text in there.items()}
    made = tamper({inside(runs["plain"], ""): None, **moved})
    assert any(
        one.commit == made
        and f"it moves runs, which only a run commit does: {runs['plain'].id} from forest" in one.text
        for one in verify_runs(project).errors
    )


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


def test_merges_are_judged_in_a_partial_clone_by_what_is_here_of_them(
    runs: Runs, project: Project, repo: Path, git: Git, tmp_path: Path, open_project: OpenProject
) -> None:
    base = git("rev-parse", BRANCH)
    edit_tags(project, runs["large"], {"ours": "1"})
    ours = git("rev-parse", BRANCH)
    git("update-ref", f"refs/heads/{BRANCH}", base)
    for name in ("plain", "broken"):
        edit_tags(project, runs[name], {"theirs": "2"})
    theirs = git("rev-parse", BRANCH)
    merged = merge(project.repo, ours, theirs, project.identity(), source="box").commit
    git("update-ref", f"refs/heads/{BRANCH}", str(merged))
    index, path = {"GIT_INDEX_FILE": str(tmp_path / "index")}, inside(runs["broken"], "run.yaml")
    lied = git("show", f"{merged}:{path}").replace("status: failed", "status: finished").replace("user: ", "user: not ")
    git("read-tree", str(merged), env=index)
    blob = git("hash-object", "-w", "--stdin", stdin=lied)
    git("update-index", "--cacheinfo", f"100644,{blob},{path}", env=index)
    message = git("log", "-1", "--format=%B", str(merged))
    forged = git("commit-tree", git("write-tree", env=index), "-p", ours, "-p", theirs, "-m", message)

    git("config", "uploadpack.allowFilter", "true")
    for tip, limit, errors, unread in (
        (merged, "blob:none", 0, "3 earlier states of them"),  # of three edits; the merge took each as it was
        (merged, "blob:limit=10k", 0, None),
        (forged, "blob:none", 0, "4 earlier states of them"),
        (forged, "blob:limit=10k", 1, None),
    ):
        git("update-ref", f"refs/heads/{BRANCH}", str(tip))
        clone = tmp_path / f"{errors}{limit}{tip}"
        git("clone", "-q", f"--filter={limit}", f"file://{repo}", str(clone))
        git("branch", BRANCH, f"origin/{BRANCH}", cwd=clone)
        before = git("count-objects", "-v", cwd=clone)
        found = verify_runs(open_project(clone))
        assert ["it rewrites what run.yaml said of user" in text for text in texts(found)] == [True] * errors
        notes = " ".join(f"{one.text} {one.remedy}" for one in found.notes)
        assert (unread or "") in notes
        assert ("git fetch --refetch --filter=blob:limit=1m origin" in notes) is (unread is not None)
        assert git("count-objects", "-v", cwd=clone) == before
    git("fetch", "-q", "--refetch", "--filter=blob:limit=1m", "origin", cwd=tmp_path / f"0blob:none{forged}")
    assert len(texts(verify_runs(open_project(tmp_path / f"0blob:none{forged}")))) == 1


def test_a_directory_of_a_run_commit_that_git_left_with_the_remote_alone_is_no_error_and_one_that_is_lost_is(
    runs: Runs, repo: Path, git: Git, tmp_path: Path, open_project: OpenProject
) -> None:
    git("config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "partial"
    git("clone", "-q", "--filter=blob:limit=10k", f"file://{repo}", str(clone))
    git("branch", BRANCH, f"origin/{BRANCH}", cwd=clone)
    run = ActiveRun.start(open_project(clone), name="mine", experiment="forest").end()
    own, inner = git("rev-parse", f"{BRANCH}^2^{{tree}}", f"{BRANCH}^2:experiments", cwd=clone).splitlines()
    # As `git gc` does before 2.48, once the remote has what this clone made, and a commit that stands on it was fetched.
    there = clone / ".git" / "objects" / own[:2] / own[2:]
    there.rename(tmp_path / "tree")
    [lost] = verify_runs(open_project(clone)).errors
    assert f"the directory {own[:10]} is not wholly here, nor with a remote" in lost.text
    git("update-ref", f"refs/remotes/origin/{BRANCH}", BRANCH, cwd=clone)
    found = verify_runs(open_project(clone))
    assert texts(found) == []
    [note] = [one for one in found.notes if "left with its remote could not be compared with the code" in one.text]
    assert (run.id in note.text, runs["plain"].id in note.text) == (True, False)
    (tmp_path / "tree").rename(there)
    damaged = clone / ".git" / "objects" / inner[:2] / inner[2:]
    damaged.unlink()
    damaged.write_bytes(b"rubbish")
    assert "their trees cannot be compared with the code" in texts(verify_runs(open_project(clone)))[0]


def test_a_clone_without_trees_is_not_damaged_and_says_what_brings_its_history(
    runs: Runs, repo: Path, git: Git, tmp_path: Path, open_project: OpenProject
) -> None:
    git("config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "treeless"
    git("clone", "-q", "--filter=tree:0", f"file://{repo}", str(clone))
    git("branch", BRANCH, f"origin/{BRANCH}", cwd=clone)
    found = verify_runs(open_project(clone))
    assert (texts(found), found.runs) == ([], len(runs))
    # Older gits fetch the directories all the same.
    assert [one.text for one in found.notes if "directories of their history" in one.text] or found.commits == len(runs)
    git("fetch", "-q", "--refetch", "--filter=blob:limit=1m", "origin", cwd=clone)
    found = verify_runs(open_project(clone))
    assert (texts(found), found.commits) == ([], len(runs))
