from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gtrack.errors import UsageError
from gtrack.launch.collect import check_patterns, keep_artifacts, read_inputs
from gtrack.project import Project
from gtrack.writer import ActiveRun


@pytest.fixture
def run(repo: Path) -> Iterator[ActiveRun]:
    project = Project.open(repo)
    run = ActiveRun.start(project)
    yield run
    run.end()
    project.repo.objects.close()


def kept(run: ActiveRun) -> list[str]:
    return sorted(path.removeprefix("artifacts/") for path, _ in run.live.files() if path.startswith("artifacts/"))


@pytest.fixture
def files(repo: Path) -> Path:
    for name in ("out/a.png", "out/b.txt", "out/deep/c.png", "out/deep/er/d.png", "out/.hidden.png", "top [1].png"):
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / name).write_text(name)
    return repo


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.png", ["top [1].png"]),
        ("out/*.png", ["out/a.png"]),
        ("./out/*.png", ["out/a.png"]),
        ("out/**/*.png", ["out/a.png", "out/deep/c.png", "out/deep/er/d.png"]),
        ("**/*.txt", ["out/b.txt"]),
        ("out", ["out/a.png", "out/b.txt", "out/deep/c.png", "out/deep/er/d.png"]),
        ("out/deep/", ["out/deep/c.png", "out/deep/er/d.png"]),
        ("out/de*", ["out/deep/c.png", "out/deep/er/d.png"]),
        ("out/a.png", ["out/a.png"]),
        ("out/[ab].*", ["out/a.png", "out/b.txt"]),
    ],
)
def test_patterns(run: ActiveRun, files: Path, pattern: str, names: list[str]) -> None:
    assert keep_artifacts(run, check_patterns([pattern], files), files) == []
    assert kept(run) == names


def test_a_file_that_matches_twice_is_kept_once(run: ActiveRun, files: Path) -> None:
    assert keep_artifacts(run, ["out/*.png", "out/a*"], files) == []
    assert kept(run) == ["out/a.png"]


def test_an_absolute_pattern_inside_the_working_directory(run: ActiveRun, files: Path) -> None:
    assert keep_artifacts(run, check_patterns([f"{files}/out/*.txt"], files), files) == []
    assert kept(run) == ["out/b.txt"]


@pytest.mark.parametrize("pattern", ["../*.png", "out/../../x", "/etc/*", ""])
def test_a_pattern_that_reaches_out_is_refused(repo: Path, pattern: str) -> None:
    with pytest.raises(UsageError, match="not inside the working directory"):
        check_patterns([pattern], repo)


def test_what_goes_wrong_is_said_and_the_rest_is_kept(run: ActiveRun, files: Path) -> None:
    os.mkfifo(files / "out" / "pipe")
    (files / "out" / "broken").symlink_to("nowhere")
    notices = keep_artifacts(run, ["out/*", "nothing/*.png"], files)
    assert len(notices) == 3
    assert notices[0].startswith("out/broken was not kept: ")
    assert notices[1].startswith("out/pipe was not kept: ")
    assert notices[2] == "No file matched --artifacts 'nothing/*.png'."
    assert "out/a.png" in kept(run)


def test_inputs_by_path_and_by_name(repo: Path) -> None:
    (repo / "train.csv").write_text("a,b\n1,2\n3,4\n")
    (repo / "odd=name.csv").write_text("a\n1\n")
    train, named, odd = read_inputs(["train.csv", "valid=train.csv", "odd=name.csv"], repo)
    assert (train.name, train.source, train.rows, train.columns) == ("train.csv", "train.csv", 2, 2)
    assert (named.name, named.source, named.digest) == ("valid", "train.csv", train.digest)
    assert (odd.name, odd.rows) == ("odd=name.csv", 1)


def test_inputs_start_from_the_given_directory(repo: Path, tmp_path: Path) -> None:
    (repo / "data").mkdir()
    (repo / "data" / "x.txt").write_text("x")
    [one] = read_inputs(["data"], repo)
    assert (one.kind, one.source) == ("directory", "data")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["no.csv"], "--input no.csv: .*does not exist"),
        (["README.md", "docs=no.md"], "--input docs=no.md: .*does not exist"),
        (["README.md", "README.md"], "Two inputs are called 'README.md'"),
        (["a\nb=README.md"], "input name"),
    ],
)
def test_bad_inputs(repo: Path, words: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_inputs(words, repo)
