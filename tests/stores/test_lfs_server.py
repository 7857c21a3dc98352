"""Large artifacts go to a real LFS server by git-lfs, and come from there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from gtrack.errors import ArtifactError, GitError
from gtrack.git.lfs import Pointer, object_path
from gtrack.ops.large.transfer import download, pointers_between, upload
from gtrack.project import Project
from gtrack.store.large.moving import Wanted
from gtrack.writer import ActiveRun
from tests.conftest import Git, run_git
from tests.http_remote import over_http
from tests.remotes.ports import program

BIG = os.urandom(300_000)


@pytest.fixture
def hosted(repo: Path, lfs_url: str, tmp_path: Path, git: Git) -> Iterator[Project]:
    """Give a project whose remote is served over HTTP, with an LFS server of its own."""
    (repo / ".gtrack").mkdir()
    (repo / ".gtrack" / "config.yaml").write_text(
        'system: {interval_seconds: 0}\nartifacts: {lfs_above_mb: 0.1, lfs: ["*.ckpt"]}\n'
    )
    git("init", "--bare", "--quiet", str(tmp_path / "host" / "churn.git"))
    with over_http(tmp_path / "host") as url:
        git("-C", str(tmp_path / "host" / "churn.git"), "config", "http.receivepack", "true")
        git("remote", "add", "origin", f"{url}/churn.git")
        git("config", "remote.origin.lfsurl", f"{lfs_url}/team/{tmp_path.name}.git/info/lfs")
        yield Project.open(repo)


def log(project: Project, **files: bytes) -> str:
    run = ActiveRun.start(project)
    for name, data in files.items():
        run.log_bytes(data, f"{name}.ckpt")
    return run.end().id


def tip(project: Project) -> str:
    found = project.store.tip()
    assert found is not None
    return found


def test_there_and_back(hosted: Project, tmp_path: Path) -> None:
    run_id = log(hosted, big=BIG, small=b"small")
    pointers = pointers_between(hosted.repo, None, tip(hosted))
    assert {one.size for one in pointers} == {300_000, 5}
    told: list[tuple[str, int, int]] = []
    sent = upload(hosted, "origin", pointers, lambda *said: told.append(said))
    assert (sent.objects, sent.bytes, sent.lacking) == (2, 300_005, ())
    assert told[-1] == ("Large files", 300_005, 300_005)
    upload(hosted, "origin", pointers)  # all of it is there
    for one in pointers:
        object_path(hosted.repo, one.oid).unlink()
    assert hosted.artifact_bytes(run_id, "big.ckpt") == BIG
    assert not object_path(hosted.repo, sha256(b"small").hexdigest()).exists()
    wanted = [Wanted(run_id, "small.ckpt", Pointer(sha256(b"small").hexdigest(), 5))]
    assert download(hosted, "origin", wanted) == 1
    assert download(hosted, "origin", wanted) == 0
    assert hosted.artifact_bytes(run_id, "small.ckpt") == b"small"
    assert run_git("lfs", "fsck", "--objects", tip(hosted), cwd=hosted.repo.root or tmp_path) == "Git LFS fsck OK"


def test_what_the_server_does_not_have_is_named(hosted: Project) -> None:
    run_id = log(hosted, big=BIG)
    digest = sha256(BIG).hexdigest()
    object_path(hosted.repo, digest).unlink()
    with pytest.raises(
        ArtifactError, match=rf"big\.ckpt of run {run_id[:8]} \(300000 bytes, sha256 {digest}\)(?s:.*)origin \("
    ):
        hosted.artifact_bytes(run_id, "big.ckpt")
    [lacking] = pointers_between(hosted.repo, None, tip(hosted))
    assert upload(hosted, "origin", [lacking]).lacking == (lacking,)


def test_a_remote_without_an_lfs_server_is_told(hosted: Project, git: Git) -> None:
    git("config", "--unset", "remote.origin.lfsurl")
    log(hosted, big=BIG)
    with pytest.raises(
        GitError, match=r"cannot be sent to origin with git-lfs: .*may have no LFS server.*artifacts\.remote"
    ):
        upload(hosted, "origin", pointers_between(hosted.repo, None, tip(hosted)))


def test_a_remote_that_is_not_there_is_told(hosted: Project, git: Git) -> None:
    git("config", "remote.origin.lfsurl", "http://127.0.0.1:9/none")
    log(hosted, big=BIG)
    with pytest.raises(GitError, match=r"cannot be sent to origin with git-lfs: .*refused"):
        upload(hosted, "origin", pointers_between(hosted.repo, None, tip(hosted)))


def test_who_may_only_read_is_told_without_the_password(hosted: Project, git: Git) -> None:
    url = git("config", "remote.origin.lfsurl")
    git("config", "remote.origin.lfsurl", url.replace("//", "//reader:sesame@"))
    git("config", "lfs.transfer.maxretries", "1")
    log(hosted, big=BIG)
    with pytest.raises(GitError, match=r"403 Forbidden.*Let git keep the credentials") as raised:
        upload(hosted, "origin", pointers_between(hosted.repo, None, tip(hosted)))
    assert "sesame" not in str(raised.value)


def test_without_git_lfs_it_is_told(hosted: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = log(hosted, big=BIG)
    pointers = pointers_between(hosted.repo, None, tip(hosted))
    place = tmp_path / "bin"
    place.mkdir()
    for name in ("git", "env", "sh"):
        (place / name).symlink_to(f"/usr/bin/{name}")
    monkeypatch.setenv("PATH", str(place))
    with pytest.raises(GitError, match=r"git-lfs is not installed.*https://git-lfs"):
        upload(hosted, "origin", pointers)
    object_path(hosted.repo, pointers[0].oid).unlink()
    with pytest.raises(ArtifactError, match="git-lfs is not installed"):
        hosted.artifact_bytes(run_id, "big.ckpt")


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_bare_repository_on_disk(hosted: Project, tmp_path: Path, git: Git, scheme: str) -> None:
    """git-lfs moves objects between folders by itself."""
    program("git-lfs", "git-lfs")
    git("config", "--unset", "remote.origin.lfsurl")
    git("remote", "set-url", "origin", f"{scheme}{tmp_path}/host/churn.git")
    run_id = log(hosted, big=BIG)
    pointers = pointers_between(hosted.repo, None, tip(hosted))
    assert upload(hosted, "origin", pointers).objects == 1
    object_path(hosted.repo, pointers[0].oid).unlink()
    assert hosted.artifact_bytes(run_id, "big.ckpt") == BIG


def test_checked_out_by_git_lfs_itself(hosted: Project, tmp_path: Path, git: Git) -> None:
    run_id = log(hosted, **{"big model[1]": BIG, "small": b"small"})
    upload(hosted, "origin", pointers_between(hosted.repo, None, tip(hosted)))
    url = git("config", "remote.origin.lfsurl")
    place = tmp_path / "clone"
    git("push", "--quiet", "origin", "gtrack/runs:gtrack/runs")
    filters = ("-c", "filter.lfs.smudge=git-lfs smudge -- %f", "-c", "filter.lfs.required=true")
    source = git("config", "remote.origin.url")
    git(*filters, "-c", f"lfs.url={url}", "clone", "--quiet", "--branch", "gtrack/runs", source, str(place))
    [found] = place.glob(f"experiments/*/*/{run_id}/artifacts/big model?1?.ckpt")
    assert found.read_bytes() == BIG
    listed = run_git("lfs", "ls-files", "--long", cwd=place).splitlines()
    assert sorted(line.split(" ", 1)[0] for line in listed) == sorted(
        sha256(one).hexdigest() for one in (BIG, b"small")
    )


_MOVE = """
import sys
from gtrack.ops.large.transfer import download, pointers_between, upload
from gtrack.project import Project
from gtrack.store.large.moving import Wanted

project = Project.open()
pointers = pointers_between(project.repo, None, project.store.tip())
tell = lambda *said: print(said, flush=True)
if sys.argv[1] == "send":
    upload(project, "origin", pointers, tell)
else:
    download(project, "origin", [Wanted("0" * 32, "x", one) for one in pointers], tell)
"""


def test_killed_and_done_again(hosted: Project) -> None:
    log(hosted, **{f"file {number}": bytes([number]) * 2_000_000 for number in range(6)})
    pointers = pointers_between(hosted.repo, None, tip(hosted))
    for what in ("send", "bring"):
        with subprocess.Popen([sys.executable, "-c", _MOVE, what], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.kill()
        if what == "send":
            assert upload(hosted, "origin", pointers).lacking == ()
            for one in pointers:
                object_path(hosted.repo, one.oid).unlink()
        else:
            download(hosted, "origin", [Wanted("0" * 32, "x", one) for one in pointers])
    for one in pointers:
        assert sha256(object_path(hosted.repo, one.oid).read_bytes()).hexdigest() == one.oid


def test_what_is_damaged_here_is_not_sent(hosted: Project) -> None:
    log(hosted, big=BIG)
    [one] = pointers_between(hosted.repo, None, tip(hosted))
    object_path(hosted.repo, one.oid).chmod(0o644)
    object_path(hosted.repo, one.oid).write_bytes(BIG[::-1])
    with pytest.raises(ArtifactError, match=rf"{one.oid} is damaged"):
        upload(hosted, "origin", [one])
