"""The pushes that follow runs: who carries them out, and what is kept of those that fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from gtrack.git.repo import Repository
from gtrack.store.auto_push import AutoPush
from gtrack.store.locks import file_lock


@pytest.fixture
def pushes(repo: Path) -> AutoPush:
    (repo / ".git" / "gtrack").mkdir()
    return AutoPush(Repository.find(repo))


def test_a_mark_is_one_round_and_a_mark_made_meanwhile_another(pushes: AutoPush, repo: Path) -> None:
    mark = repo / ".git" / "gtrack" / "auto-push.wanted"
    assert list(pushes.rounds()) == []
    mark.touch()
    rounds = 0
    for _ in pushes.rounds():
        rounds += 1
        if rounds == 1:
            mark.touch()
    assert rounds == 2
    assert not mark.exists()


def test_one_at_a_time(pushes: AutoPush, repo: Path) -> None:
    place = repo / ".git" / "gtrack"
    lock = file_lock(place / "auto-push.lock", 0)
    assert lock is not None
    pushes.want()  # starts nobody, as somebody is at it
    assert list(pushes.rounds()) == []
    lock.release()
    assert len(list(pushes.rounds())) == 1


def test_the_last_failure_until_a_round_succeeds_and_no_more_than_a_hundred(pushes: AutoPush, repo: Path) -> None:
    assert pushes.last_failure() is None
    for number in range(150):
        pushes.note_failure(f"no {number}\nat all")
    failure = pushes.last_failure()
    assert failure is not None
    assert failure.message == "no 149 at all"
    log = repo / ".git" / "gtrack" / "auto-push.log"
    assert len(log.read_text().splitlines()) == 100
    pushes.note_done()
    assert pushes.last_failure() is None
    log.write_text("somebody\tfailed\tto write a date\n")
    assert pushes.last_failure() is None


def test_a_place_that_cannot_be_written_fails_nobody(repo: Path) -> None:
    (repo / ".git" / "gtrack").write_text("a file where the directory should be")
    pushes = AutoPush(Repository.find(repo))
    pushes.want()
    assert pushes.last_failure() is None
