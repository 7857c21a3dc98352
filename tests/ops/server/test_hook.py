"""What the hook of a server refuses of branches and registry tags, judged in a real repository without a push."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gtrack.errors import GTrackError
from gtrack.ops.server.hook import check_update
from gtrack.ops.server.pushed_tag import Refused
from gtrack.project import Project
from gtrack.records import Run
from gtrack.writer import ActiveRun
from tests.conftest import IDENTITY, Git, run_git

NOTHING = "0" * 40
POLICY = """
registry:
  stages:
    staging: {}
    production: {requires: metrics.f1 >= 0.8, improves: metrics.f1, after: staging, reason: true, force: %s}
"""


def settle(repo: Path, text: str) -> None:
    """Commit settings to the default branch."""
    (repo / ".gtrack").mkdir(exist_ok=True)
    (repo / ".gtrack" / "config.yaml").write_text(text)
    run_git("add", ".gtrack", cwd=repo)
    run_git("commit", "--quiet", "--allow-empty", "--message", "Settings", cwd=repo)


@pytest.fixture
def project(repo: Path) -> Iterator[Project]:
    opened = Project.open(repo)
    yield opened
    opened.close()


def train(project: Project, f1: float = 0.9) -> Run:
    run = ActiveRun.start(project, experiment="churn study")
    run.log_metrics({"f1": f1})
    run.log_bytes(b"flavors: {}\n", "model/MLmodel")
    return run.end()


@pytest.fixture
def churn(project: Project) -> list[str]:
    """The commits of three versions; the first is in production and the second in staging."""
    made = [project.registry.register("churn", train(project, f1).id) for f1 in (0.7, 0.85, 0.9)]
    project.registry.assign("churn", 1, "production", reason="the first")
    project.registry.assign("churn", 2, "staging")
    return [one.commit for one in made]


Push = Callable[..., None]


@pytest.fixture
def push(project: Project, git: Git) -> Push:
    """Judge a tag as if it were pushed: with a name, a commit, trailers, or as bytes of a tag object."""

    def judge(name: str, commit: str = "", *trailers: str, subject: str = "Assigning", data: str = "") -> None:
        text = data or (
            f"object {commit}\ntype commit\ntag {name}\ntagger {IDENTITY} 1800000000 +0000\n\n"
            + "\n".join([subject, "", *trailers])
            + "\n"
        )
        oid = git("hash-object", "-t", "tag", "-w", "--stdin", "--literally", stdin=text)
        check_update(project.repo, f"refs/tags/{name}", NOTHING, oid)

    return judge


# Branches


def test_runs_and_the_default_branch_are_only_added_to(project: Project, git: Git) -> None:
    train(project)
    train(project)
    git("branch", "elsewhere", "main")
    repo, main = project.repo, git("rev-parse", "main")
    tip, before = git("rev-parse", "gtrack/runs"), git("rev-parse", "gtrack/runs~1")
    check_update(repo, "refs/heads/gtrack/runs", before, tip)
    check_update(repo, "refs/heads/gtrack/runs", NOTHING, tip)
    check_update(repo, "refs/heads/elsewhere", main, before)
    check_update(repo, "refs/heads/elsewhere", main, NOTHING)
    for ref, old in (("refs/heads/gtrack/runs", tip), ("refs/heads/main", main)):
        with pytest.raises(Refused, match="is not deleted"):
            check_update(repo, ref, old, NOTHING)
    with pytest.raises(Refused, match="gtrack/runs, which holds the runs, is only added to"):
        check_update(repo, "refs/heads/gtrack/runs", tip, before)
    orphan = git("commit-tree", "main^{tree}", "-m", "Begin anew")
    with pytest.raises(Refused, match="main, the default branch, is only added to"):
        check_update(repo, "refs/heads/main", main, orphan)


def test_the_runs_branch_is_the_one_that_the_default_branch_names(project: Project, repo: Path, git: Git) -> None:
    settle(repo, "branch: experiments-of-ours\n")
    commit = git("rev-parse", "main")
    with pytest.raises(Refused, match="experiments-of-ours, which holds the runs"):
        check_update(project.repo, "refs/heads/experiments-of-ours", commit, NOTHING)
    check_update(project.repo, "refs/heads/gtrack/runs", commit, NOTHING)


def test_settings_that_cannot_be_read_keep_every_branch_and_tag(
    project: Project, repo: Path, git: Git, push: Push, churn: list[str]
) -> None:
    good = git("rev-parse", "main")
    settle(repo, "registry: {stages: {production: {require: x}}}\n")
    bad = git("rev-parse", "main")
    with pytest.raises(Refused, match="which may be the one that holds the runs"):
        check_update(project.repo, "refs/heads/topic", good, NOTHING)
    with pytest.raises(Refused, match=r"settings on the default branch cannot be read: .*unknown key 'require'"):
        push("churn#staging#3", churn[2])
    [warning] = check_update(project.repo, "refs/heads/main", good, bad)
    assert "No registry tag will be accepted with these settings" in warning
    (repo / ".gtrack" / "config.yaml").write_text("")
    git("commit", "--quiet", "--all", "--message", "Mend")
    assert check_update(project.repo, "refs/heads/main", bad, git("rev-parse", "main")) == []


def test_without_a_default_branch_nothing_is_promoted(project: Project, git: Git, push: Push, churn: list[str]) -> None:
    git("symbolic-ref", "HEAD", "refs/heads/trunk")
    with pytest.raises(Refused, match=re.escape("HEAD names refs/heads/trunk. Push that branch first")):
        push("churn#staging#3", churn[2])


def test_replacements_are_refused_and_other_refs_are_free(project: Project, git: Git) -> None:
    main = git("rev-parse", "main")
    with pytest.raises(Refused, match="a replacement would change"):
        check_update(project.repo, f"refs/replace/{main}", NOTHING, main)
    assert check_update(project.repo, "refs/notes/commits", NOTHING, main) == []
    assert check_update(project.repo, "refs/tags/v1.0", main, NOTHING) == []
    with pytest.raises(GTrackError, match="are no ids of objects"):
        check_update(project.repo, "refs/heads/main", "--help", main)


# Tags by themselves


@pytest.mark.usefixtures("churn")
def test_registry_tags_are_neither_deleted_nor_moved(project: Project, git: Git) -> None:
    one, other = git("rev-parse", "churn@v1.0.0"), git("rev-parse", "churn@v2.0.0")
    with pytest.raises(Refused, match="is not deleted: registry tags stay"):
        check_update(project.repo, "refs/tags/churn@v1.0.0", one, NOTHING)
    with pytest.raises(Refused, match="is not moved"):
        check_update(project.repo, "refs/tags/churn@v1.0.0", one, other)
    check_update(project.repo, "refs/tags/churn@1.0", one, NOTHING)  # it never was one


def test_a_lightweight_tag_is_refused(project: Project, churn: list[str]) -> None:
    with pytest.raises(Refused, match="it is a lightweight tag"):
        check_update(project.repo, "refs/tags/churn#staging#3", NOTHING, churn[2])


@pytest.mark.parametrize("name", ["churn@1.0.0", "churn@v1.0", "churn##3", "churn#sta.ging#3", "churn@v1.0.0#x"])
def test_a_name_that_only_looks_like_one_is_refused(push: Push, churn: list[str], name: str) -> None:
    with pytest.raises(Refused, match="it looks like one of the model registry, and is none"):
        push(name, churn[2])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("tag churn#staging#3", "tag churn#staging#2", "its tag object says that it is the tag 'churn#staging#2'"),
        ("tag churn#staging#3", "tag churn#staging#3\ntag churn#staging#2", "not as git writes them"),
        ("type commit\n", "", "not as git writes them"),
        ("tagger Ana <ana@example.org> 1800000000 +0000\n", "", "not as git writes them"),
        ("Assigning", "Assigning \x1b]0;owned\x07", "it has control characters"),
        ("Assigning", "Assigning \u202egninrut", "it has control characters"),
        ("Ana", "Ana\x9b31m", "it has control characters"),
        ("Assigning", "A" * 70_000, "65,536 is the limit"),
        ("type commit", "type tree", "it is on a tree, not on a commit"),
        (
            "Assigning",
            "Assigning\n\nModel-Version: 2",
            "says that it is about version 2, and it is on the commit of version 3",
        ),
        ("Assigning", "Assigning\n\nArtifact: ../run.yaml", "it says artifact '../run.yaml'"),
        ("Assigning", f"Assigning\n\nRun: {'a' * 32}", "it says that it is of run aaaaaaaa"),
    ],
)
def test_a_tag_that_is_not_what_it_says_is_refused(push: Push, churn: list[str], old: str, new: str, said: str) -> None:
    text = (
        f"object {churn[2]}\ntype commit\ntag churn#staging#3\n"
        "tagger Ana <ana@example.org> 1800000000 +0000\n\nAssigning\n"
    )
    push("churn#staging#3", data=text)
    assert old in text
    with pytest.raises(Refused, match=re.escape(said)):
        push("churn#staging#3", data=text.replace(old, new))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("churn#production#1", "somebody was quicker, number 1 of churn is that of churn#production#1"),
        ("churn#shadow#2", "somebody was quicker, number 2 of churn is that of churn#staging#2"),
        ("churn#Staging#1", "somebody was quicker, number 1 of churn is that of churn#production#1"),
        ("churn#staging#0", "somebody was quicker, and churn#staging#2 would count as done after it"),
        ("churn#staging", "somebody was quicker, and churn#staging#2 would count as done after it"),
        ("churn#staging!#1", "number 1 of churn is that of churn#production#1"),
        ("churn#staging#1003", "number 1003 is far from 2, the highest"),
        (f"churn#staging#{10**100}", "is far from 2, the highest"),
        ("churn#staging#03", "its number is written as in churn#staging#3"),
    ],
)
def test_a_number_that_is_taken_or_passed_is_refused(push: Push, churn: list[str], name: str, said: str) -> None:
    with pytest.raises(Refused, match=re.escape(said)):
        push(name, churn[2])
    push("churn#staging#7", churn[2])


def test_a_version_is_on_one_commit(push: Push, churn: list[str], project: Project) -> None:
    commit = str(project.store.run_commit(train(project).id))
    with pytest.raises(Refused, match=re.escape("v3.0.0 is registered already, on another commit")):
        push("churn@v3.0.0#3", commit)
    with pytest.raises(Refused, match=re.escape("it says that it is version 2, which v2.0.0 is already")):
        push("churn@v9.0.0", commit, "Model-Version: 2")
    with pytest.raises(Refused, match=re.escape("v9.9.9 was never registered")):
        push("churn@v9.9.9!", churn[0])
    push("churn@v4.0.0", commit)


def test_a_version_never_becomes_another_one(push: Push, project: Project, git: Git) -> None:
    first, second = (str(project.store.run_commit(train(project).id)) for _ in range(2))
    git("tag", "-a", "-m", "by hand", "m@v1.0.0", first, env={"GIT_COMMITTER_DATE": "1800000009 +0000"})
    with pytest.raises(Refused, match=re.escape("version 1 (v1.0.0) would become another one by it")):
        push("m@v0.1.0", second)  # at an earlier time, which is what orders those that say no number


def test_the_commit_must_be_that_of_the_run(push: Push, project: Project, git: Git) -> None:
    run = train(project)
    commit = str(project.store.run_commit(run.id))
    forged = git("commit-tree", f"{commit}^{{tree}}", "-p", commit, "-m", "no run")
    with pytest.raises(Refused, match=f"is not the commit of run {run.id[:8]}, but another one that has it"):
        push("m@v1.0.0", forged, f"Run: {run.id}")
    with pytest.raises(Refused, match="has no artifact 'modle'"):
        push("m@v1.0.0", commit, "Artifact: modle")
    push("m@v1.0.0", commit, f"Run: {run.id}", "Artifact: model")


def test_a_commit_with_two_runs_counts_as_the_one_that_it_says(
    push: Push, project: Project, repo: Path, git: Git
) -> None:
    settle(repo, POLICY % "false")
    good, bad = train(project, 0.9), train(project, 0.1)
    both = git("rev-parse", "gtrack/runs^{tree}")
    commit = git("commit-tree", both, "-p", "main", "-m", f"both\n\nRun: {bad.id}\nExperiment: churn study")
    for run, said in ((good, f"it says that it is of run {good.id[:8]}"), (bad, "✗ metrics.f1 >= 0.8: f1 = 0.1")):
        with pytest.raises(Refused, match=said):
            push("m#production#1", commit, f"Run: {run.id}", "Reason: x")


def test_a_commit_without_a_version_must_be_that_of_a_run(
    push: Push, churn: list[str], project: Project, git: Git
) -> None:
    with pytest.raises(Refused, match="no version of churn is registered on its commit"):
        push("churn#staging#3", git("rev-parse", "main"))
    commit = str(project.store.run_commit(train(project).id))
    with pytest.raises(Refused, match="no version of churn is registered on its commit"):
        push("churn#staging!#3", commit)
    push("churn#staging#3", commit, subject="Assigning stage staging to artifact churn version v4.0.0")
    with pytest.raises(Refused, match=re.escape("somebody was quicker, v3.0.0 of churn is on another commit")):
        push("churn#staging#3", commit, subject="Assigning stage staging to artifact churn version v3.0.0")
    with pytest.raises(Refused, match="would make no sense: it says that it is version 3"):
        push(
            "churn#staging#3",
            commit,
            "Model-Version: 3",
            subject="Assigning stage staging to artifact churn version v4.0.0",
        )


# Policies


def test_a_promotion_is_judged_by_the_default_branch(push: Push, churn: list[str], repo: Path) -> None:
    settle(repo, POLICY % "false")
    with pytest.raises(Refused) as refusal:
        push("churn#production#3", churn[2])
    assert str(refusal.value).splitlines() == [
        "The tag churn#production#3 is refused: by the settings of the default branch 2 of 5 conditions are not met.",
        "  ✓ the run finished: finished",
        "  ✓ metrics.f1 >= 0.8: f1 = 0.9",
        "  ✓ improves metrics.f1: f1 = 0.9 against 0.7 of v1 (+0.2)",
        "  ✗ it was in staging: it never was",
        "  ✗ there is a reason: none: --reason TEXT",
    ]
    push("churn#production#3", churn[1], "Reason: better")
    push("churn#shadow#3", churn[2])


def test_force_counts_where_it_is_allowed_and_names_what_it_is_against(
    push: Push, churn: list[str], repo: Path
) -> None:
    said = ["Reason: now", "Forced: it was in staging"]
    settle(repo, POLICY % "false")
    with pytest.raises(Refused, match="not met, and the settings do not allow force"):
        push("churn#production#3", churn[2], *said)
    settle(repo, POLICY % "true")
    push("churn#production#3", churn[2], *said)
    with pytest.raises(Refused, match="not met, and it was forced against others"):
        push("churn#production#3", churn[0], *said)
    both = "Forced: metrics.f1 >= 0.8; it was in staging"
    push("churn#production#3", churn[0], "Reason: now", both)


def test_leaving_a_stage_takes_what_the_stage_demands(push: Push, churn: list[str], repo: Path) -> None:
    settle(repo, POLICY % "false")
    for name in ("churn#production!#3", "churn@v1.0.0!"):
        with pytest.raises(Refused, match="its condition is not met"):
            push(name, churn[0])
        push(name, churn[0], "Reason: broken")
    push("churn@v2.0.0!", churn[1])


def test_a_promotion_that_waited_for_its_version_is_judged_when_that_comes(
    push: Push, project: Project, repo: Path, git: Git
) -> None:
    commit = str(project.store.run_commit(train(project, 0.5).id))
    git("tag", "-a", "-m", "Assigning", "m#production#1", commit)  # from before there was a hook
    settle(repo, POLICY % "false")
    with pytest.raises(Refused, match=r"m#production#1 is refused: (.|\n)*✗ metrics.f1 >= 0.8: f1 = 0.5"):
        push("m@v1.0.0", commit)


def test_a_branch_is_one_of_the_server_and_not_what_somebody_calls_that_of_a_remote(
    push: Push, project: Project, repo: Path, git: Git
) -> None:
    settle(repo, "registry: {stages: {production: {branch: main}}}\n")
    on_main = str(project.store.run_commit(train(project).id))
    git("checkout", "--quiet", "-b", "topic")
    git("commit", "--quiet", "--allow-empty", "--message", "Not merged")
    project.close()
    again = Project.open(repo)
    elsewhere = str(again.store.run_commit(train(again).id))
    again.close()
    git("symbolic-ref", "HEAD", "refs/heads/main")
    git("update-ref", "refs/remotes/x/main", "topic")
    push("m#production#1", on_main)
    with pytest.raises(Refused, match="✗ the code is on main"):
        push("m#production#1", elsewhere)


def test_reproductions_are_looked_for_on_the_runs_branch(push: Push, project: Project, repo: Path) -> None:
    settle(repo, "registry: {stages: {production: {reproduced: true}}}\n")
    run = train(project)
    commit = str(project.store.run_commit(run.id))
    with pytest.raises(Refused, match="✗ another run reproduced it"):
        push("m#production#1", commit)
    ActiveRun.start(project, tags={"reproduces": run.id}).end()
    push("m#production#1", commit)


def test_the_files_of_a_run_are_not_read_when_they_are_too_large(
    push: Push, project: Project, repo: Path, git: Git
) -> None:
    run = train(project)
    commit = str(project.store.run_commit(run.id))
    place = f"experiments/churn study/{run.id[:2]}/{run.id}/metrics.yaml"
    settle(repo, "registry: {stages: {production: {requires: metrics.f1 >= 0.8}}}\n")
    bomb = "f1: " + "[" * 5000
    large = "f1: 0.9\n" + "# \n" * 6_000_000
    for text, said in ((large, "metrics.yaml of its run is larger than"), (bomb, "✗ metrics.f1 >= 0.8: no f1")):
        (repo / "hostile").write_text(text)
        blob = git("hash-object", "-w", "hostile")
        index = {"GIT_INDEX_FILE": str(repo / ".git" / "hostile")}
        git("read-tree", commit, env=index)
        git("update-index", "--add", "--cacheinfo", f"100644,{blob},{place}", env=index)
        tree = git("write-tree", env=index)
        hostile = git("commit-tree", tree, "-m", f"x\n\nRun: {run.id}\nExperiment: churn study")
        with pytest.raises(Refused, match=said):
            push("m#production#1", hostile)


def ssh_key(path: Path) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return " ".join(path.with_suffix(".pub").read_text().split()[:2])


def test_a_signature_counts_by_the_signers_on_the_default_branch(
    project: Project, churn: list[str], repo: Path, git: Git, tmp_path: Path
) -> None:
    keys = {name: ssh_key(tmp_path / name) for name in ("ana", "eve")}
    git("config", "gpg.format", "ssh")
    (repo / "signers").write_text(f"ana@example.org {keys['ana']}\n")
    git("add", "signers")
    settle(
        repo, "registry: {allowed_signers: signers, stages: {production: {signed: true, promoters: ana@example.org}}}\n"
    )
    (repo / "signers").write_text(f"ana@example.org {keys['eve']}\n")  # in a working tree, which does not count

    def judge(key: str | None) -> None:
        how = ["-a"] if key is None else ["-s", "-u", str(tmp_path / key)]
        git("tag", "-f", *how, "-m", "Assigning", "churn#production#3", churn[2])
        oid = git("rev-parse", "churn#production#3")
        git("tag", "-d", "churn#production#3")
        check_update(project.repo, "refs/tags/churn#production#3", NOTHING, oid)

    judge("ana")
    with pytest.raises(Refused, match="✗ the promotion is signed: nobody known signed it"):
        judge("eve")
    with pytest.raises(Refused, match="✗ the promotion is signed: it has no signature"):
        judge(None)
    git("rm", "--quiet", "--cached", "signers")
    git("commit", "--quiet", "--message", "Nobody signs")
    git("config", "gpg.ssh.allowedSignersFile", str(repo / "signers"))
    with pytest.raises(Refused, match="✗ the promotion is signed: nobody known signed it"):
        judge("ana")
