"""The top level of the project holds what a reader expects there and nothing else."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import run_git

PROJECT = Path(__file__).parents[1]

ALWAYS = {
    *("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile", ".gitignore"),
    *("gtrack", "tests", "experiments", ".gtrack", ".ci"),
}
PERHAPS = {"benchmarks", "docs"}


def listed(*patterns: str) -> list[str]:
    """Every file that is tracked, or that the next ``git add`` would take."""
    listing = run_git("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns, cwd=PROJECT)
    return [name for name in listing.split("\0") if name and (PROJECT / name).exists()]


def test_top_level_has_only_the_agreed_names() -> None:
    names = {name.split("/")[0] for name in listed()}
    assert names - PERHAPS == ALWAYS


def test_live_runs_are_never_listed() -> None:
    assert listed(".gtrack/live") == []


def test_the_package_is_marked_as_typed() -> None:
    assert (PROJECT / "gtrack" / "py.typed").is_file()


def test_no_module_is_too_long() -> None:
    lengths = {name: len((PROJECT / name).read_text(encoding="utf-8").splitlines()) for name in listed("gtrack/*.py")}
    assert lengths
    assert {name: lines for name, lines in lengths.items() if lines > 600} == {}
