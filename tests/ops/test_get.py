from __future__ import annotations

import os
from pathlib import Path

import pytest

from gtrack.errors import ArtifactError, ArtifactNotFound, InvalidPath
from gtrack.ops.get import Written, choose, write_out
from gtrack.project import Project
from gtrack.records import Artifact, Run
from gtrack.writer import ActiveRun
from tests.ops.conftest import MakeRun, OpenProject

FILES = {"model.bin": b"\x00model", "figures/roc.png": b"roc", "figures/deep/pr.png": b"pr", "figures.txt": b"list"}


@pytest.fixture
def run(make_run: MakeRun) -> Run:
    return make_run("one", artifacts=FILES)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def everything_below(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize(
    ("path", "chosen"),
    [
        (None, set(FILES)),
        ("model.bin", {"model.bin"}),
        ("figures", {"figures/roc.png", "figures/deep/pr.png"}),
        ("figures/deep/", {"figures/deep/pr.png"}),
    ],
)
def test_choose(project: Project, run: Run, path: str | None, chosen: set[str]) -> None:
    assert {artifact.path for artifact in choose(project, run, path)} == chosen


def test_an_unknown_path_names_the_nearest(project: Project, run: Run) -> None:
    with pytest.raises(ArtifactNotFound, match=r"no artifact 'modl\.bin'.*Did you mean 'model\.bin'"):
        choose(project, run, "modl.bin")


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../b", "C:x", "a\\b", "a\nb", ".git/config"])
def test_an_unsafe_path_is_refused(project: Project, run: Run, path: str) -> None:
    with pytest.raises(InvalidPath):
        choose(project, run, path)


def test_a_run_without_artifacts(project: Project, make_run: MakeRun) -> None:
    with pytest.raises(ArtifactNotFound, match="has no artifacts"):
        choose(project, make_run("bare"), None)


def test_files_are_written_below_the_directory_under_their_paths(project: Project, run: Run, out: Path) -> None:
    told: list[Written] = []
    write_out(project, run, choose(project, run, None), out, tell=told.append)
    assert everything_below(out) == FILES
    assert [one.changed for one in told] == [True] * 4


def test_again_is_no_error_and_changes_nothing(project: Project, run: Run, out: Path) -> None:
    write_out(project, run, choose(project, run, None), out)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    told: list[Written] = []
    write_out(project, run, choose(project, run, None), out, tell=told.append)
    assert [one.changed for one in told] == [False] * 4
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == times


def test_a_file_that_differs_stays_and_nothing_else_is_written(project: Project, run: Run, out: Path) -> None:
    out.mkdir()
    (out / "model.bin").write_text("mine")
    with pytest.raises(ArtifactError, match=r"model\.bin is there already and differs.*--force"):
        write_out(project, run, choose(project, run, None), out)
    assert everything_below(out) == {"model.bin": b"mine"}
    write_out(project, run, choose(project, run, None), out, force=True)
    assert everything_below(out) == FILES


@pytest.mark.parametrize("force", [False, True])
def test_no_file_is_written_through_a_link(project: Project, run: Run, out: Path, tmp_path: Path, force: bool) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    out.mkdir()
    (out / "figures").symlink_to(outside)
    with pytest.raises(ArtifactError, match="figures is a link"):
        write_out(project, run, choose(project, run, "figures"), out, force=force)
    assert everything_below(outside) == {}


@pytest.mark.parametrize("force", [False, True])
def test_a_link_in_place_of_the_file_is_not_followed(
    project: Project, run: Run, out: Path, tmp_path: Path, force: bool
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    out.mkdir()
    (out / "model.bin").symlink_to(victim)
    with pytest.raises(ArtifactError, match="is a link"):
        write_out(project, run, choose(project, run, "model.bin"), out, force=force)
    assert victim.read_text() == "mine"


def test_what_is_in_the_way_is_named(project: Project, run: Run, out: Path) -> None:
    out.mkdir()
    (out / "figures").write_text("a file")
    (out / "model.bin").mkdir()
    with pytest.raises(ArtifactError, match="is no directory"):
        write_out(project, run, choose(project, run, "figures"), out)
    with pytest.raises(ArtifactError, match="is no file"):
        write_out(project, run, choose(project, run, "model.bin"), out, force=True)


def test_an_artifact_record_with_an_unsafe_path_is_refused(project: Project, run: Run, out: Path) -> None:
    with pytest.raises(InvalidPath):
        write_out(project, run, [Artifact("../evil", 1)], out)
    assert not out.exists()


def test_a_directory_that_cannot_be_written_is_one_message(project: Project, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(ArtifactError, match="file"):
        write_out(project, run, choose(project, run, "model.bin"), file / "below")


def test_no_temporary_file_is_left(project: Project, run: Run, out: Path) -> None:
    write_out(project, run, choose(project, run, None), out)
    assert not [name for _, _, names in os.walk(out) for name in names if name.endswith(".part")]


def test_a_live_run_has_artifacts_too(open_project: OpenProject, project: Project, out: Path) -> None:
    live = ActiveRun.start(open_project(), name="live")
    live.log_bytes(b"x", "a/b.txt")
    write_out(project, live.record(), choose(project, live.record(), "a"), out)
    assert everything_below(out) == {"a/b.txt": b"x"}
    live.end()
