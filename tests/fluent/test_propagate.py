"""A run that is handed to other threads and processes."""

from __future__ import annotations

import asyncio
import functools
import pickle
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import pytest

import gtrack
from gtrack.errors import GTrackError, InvalidValue, NoActiveRun, RunNotFound
from gtrack.fluent.active import handed_here, stack_here
from gtrack.fluent.propagate import propagate
from gtrack.records import Status

Stored = Callable[[str, str], Any]

pytestmark = pytest.mark.usefixtures("quiet")


def child(n: int) -> str:
    """Log into the run that was handed here, and into a child of it."""
    gtrack.log_metric(f"outside_{n}", n)
    with gtrack.start_run(f"child-{n}", nested=True) as run:
        gtrack.log_metric("n", n)
    return run.id


def check(parent_id: str, children: list[str]) -> None:
    parent = gtrack.get_run(parent_id)
    assert parent.metrics == {f"outside_{n}": n for n in range(len(children))}
    runs = [gtrack.get_run(one) for one in children]
    assert [(run.parent, run.experiment, run.metrics) for run in runs] == [
        (parent_id, parent.experiment, {"n": n}) for n in range(len(children))
    ]


def in_thread(work: Callable[[], object]) -> None:
    """Run something in a thread whose errors are the test's."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()


@pytest.mark.quick
def test_threads_of_a_pool() -> None:
    with gtrack.start_run(experiment="grid") as parent, ThreadPoolExecutor(4) as pool:
        children = list(pool.map(propagate(child), range(8)))
    check(parent.id, children)


def test_a_plain_thread() -> None:
    children: list[str] = []
    with gtrack.start_run() as parent:
        threads = [threading.Thread(target=propagate(lambda n=n: children.append(child(n)))) for n in range(2)]
        for thread in threads:
            thread.start()
            thread.join()
    check(parent.id, children)


def test_threads_of_joblib() -> None:
    with gtrack.start_run() as parent:
        children = joblib.Parallel(n_jobs=2, backend="threading")(joblib.delayed(propagate(child))(n) for n in range(4))
    check(parent.id, children)


@pytest.mark.quick
def test_a_context_manager_in_the_worker() -> None:
    def work(run: Any) -> str:
        with propagate(run):
            return child(0)

    ways: list[Callable[[Any], Any]] = [
        lambda run: run,
        lambda run: run.id,
        lambda run: run.record(),
        lambda run: run.name,
    ]
    for as_what in ways:
        with gtrack.start_run() as parent, ThreadPoolExecutor(1) as pool:
            children = [pool.submit(work, as_what(parent)).result()]
        check(parent.id, children)


def test_one_context_manager_in_many_threads_at_once() -> None:
    together = threading.Barrier(3)

    def work(n: int) -> str:
        with here:
            together.wait(60)
            found = child(n)
            together.wait(60)
        assert gtrack.active_run() is None
        return found

    with gtrack.start_run() as parent, ThreadPoolExecutor(3) as pool:
        here = propagate()
        children = list(pool.map(work, range(3)))
    check(parent.id, children)


def test_it_leaves_the_thread_as_it_was() -> None:
    with gtrack.start_run("other") as other, gtrack.start_run("inner", nested=True) as inner:
        with propagate(other):
            assert gtrack.active_run() is other
            with propagate(inner):
                assert gtrack.active_run() is inner
            assert gtrack.active_run() is other
        assert stack_here.get() == (other, inner)
        assert handed_here.get() is None


def test_a_run_that_is_left_open_inside_ends_there_and_the_run_itself_goes_on() -> None:
    def leave_open() -> None:
        gtrack.start_run("open", nested=True)
        gtrack.start_run("deeper", nested=True)

    def fail() -> None:
        gtrack.start_run("failing", nested=True)
        raise ValueError("in a worker")

    with gtrack.start_run("parent") as parent:
        in_thread(propagate(leave_open))
        with pytest.raises(ValueError, match="in a worker"):
            in_thread(propagate(fail))
        statuses = [gtrack.get_run(name).status for name in ("open", "deeper", "failing")]
        assert statuses == [Status.FINISHED, Status.FINISHED, Status.FAILED]
        assert not parent.ended
        gtrack.log_metric("after", 1)
    assert gtrack.get_run("parent").metrics == {"after": 1}


def test_a_second_run_inside_must_be_a_child() -> None:
    with gtrack.start_run(), pytest.raises(gtrack.GTrackError, match="start a child"):
        in_thread(propagate(lambda: gtrack.start_run("sibling")))


def test_after_the_end_of_the_run_children_come_but_nothing_is_logged_elsewhere() -> None:
    with gtrack.start_run("parent", experiment="grid") as parent:
        late = propagate(lambda: gtrack.log_metric("late", 1))
        late_child = propagate(functools.partial(gtrack.start_run, "late", nested=True))
        nobodys = propagate(gtrack.active_run)
    with pytest.raises(
        NoActiveRun, match=r"run parent \([0-9a-f]{8}\), which propagate\(\) handed to this thread, has ended"
    ):
        in_thread(late)
    in_thread(late_child)
    found = gtrack.get_run("late")
    assert (found.parent, found.experiment, found.status) == (parent.id, "grid", Status.FINISHED)
    assert nobodys() is None
    assert len(gtrack.search_runs(output_format="list")) == 2


def test_without_a_run_it_opens_the_one_that_a_verb_would() -> None:
    work = propagate(child)
    with ThreadPoolExecutor(1) as pool:
        children = list(pool.map(work, range(1)))
    opened = gtrack.active_run()
    assert opened is not None
    gtrack.end_run()
    check(opened.id, children)


def test_it_is_not_guessed_which_run_is_meant() -> None:
    with gtrack.start_run(), pytest.raises(NoActiveRun, match="propagate"):
        in_thread(lambda: propagate(child))


def test_what_is_no_run_and_no_function() -> None:
    with pytest.raises(RunNotFound):
        propagate("no-such-run")
    with pytest.raises(InvalidValue, match="not int"):
        propagate(3)  # type: ignore[call-overload]
    with gtrack.start_run() as run, pytest.raises(InvalidValue, match="not two runs"):
        propagate(run, run)  # type: ignore[call-overload]


def test_functions_whose_body_runs_later_are_refused() -> None:
    async def coroutine() -> None: ...

    def generator() -> Iterator[int]:
        yield 1

    with gtrack.start_run():
        for function in (coroutine, generator, functools.partial(coroutine)):
            with pytest.raises(InvalidValue, match="its body runs after its call"):
                propagate(function)


def test_tasks_have_the_run_of_who_starts_them_and_their_threads_can_be_handed_it() -> None:
    async def main() -> list[str]:
        return list(await asyncio.gather(*(asyncio.to_thread(propagate(child), n) for n in range(2))))

    with gtrack.start_run() as parent:
        children = asyncio.run(main())
    check(parent.id, children)


def test_what_it_returns_is_the_function_that_it_wraps() -> None:
    with gtrack.start_run():
        wrapped = propagate(child)
    assert (vars(wrapped)["__name__"], wrapped.__doc__) == ("child", child.__doc__)


def test_it_can_be_pickled_and_is_small() -> None:
    with gtrack.start_run() as parent:
        data = pickle.dumps(propagate(functools.partial(child, 0)))
        here = pickle.loads(pickle.dumps(propagate()))
        assert here.run is parent
        children = [pickle.loads(data)()]
    assert len(data) < 1000
    check(parent.id, children)


def test_two_threads_in_one_run_lose_nothing(stored: Stored) -> None:
    count, threads = 1000, 4
    together = threading.Barrier(threads)

    def work(thread: int) -> None:
        together.wait(60)
        for n in range(count):
            gtrack.log_metrics({f"m{thread}": float(n), "shared": float(n)}, step=n)
            if n % 50 == 0:
                gtrack.log_param(f"p{thread}_{n}", n)
                gtrack.log_metric(f"plain{thread}_{n}", n)
        gtrack.set_tag(f"t{thread}", thread)
        gtrack.log_text(str(thread), f"{thread}.txt")
        gtrack.define_metric(f"m{thread}", "max")

    with gtrack.start_run() as run, ThreadPoolExecutor(threads) as pool:
        list(pool.map(propagate(work), range(threads)))
    rows = stored(run.id, "history.yaml")
    assert len(rows) == count * threads
    for thread in range(threads):
        assert [row[f"m{thread}"] for row in rows if f"m{thread}" in row] == [float(n) for n in range(count)]
    done = gtrack.get_run(run.id)
    firsts = range(0, count, 50)
    assert done.params == {f"p{thread}_{n}": n for thread in range(threads) for n in firsts}
    assert {name: value for name, value in done.metrics.items() if name.startswith("plain")} == {
        f"plain{thread}_{n}": n for thread in range(threads) for n in firsts
    }
    assert done.metrics["m0"] == count - 1
    assert done.tags == {f"t{thread}": str(thread) for thread in range(threads)}
    assert [gtrack.get_artifact(run.id, f"{thread}.txt") for thread in range(threads)] == [b"0", b"1", b"2", b"3"]


_POOLS = {
    "fork": "multiprocessing.get_context('fork').Pool(2).map(work, range(3))",
    "spawn": "multiprocessing.get_context('spawn').Pool(2).map(work, range(3))",
    "executor": "list(ProcessPoolExecutor(2).map(work, range(3)))",
    "loky": "joblib.Parallel(n_jobs=2, backend='loky')(joblib.delayed(work)(n) for n in range(3))",
    "loky, inside": "joblib.Parallel(n_jobs=2)(joblib.delayed(within)(propagate(), n) for n in range(3))",
}


@pytest.mark.slow
@pytest.mark.parametrize("pool", _POOLS)
def test_processes_of_a_pool(quiet: Path, pool: str) -> None:
    (quiet / "pools.py").write_text(
        textwrap.dedent(
            f"""
            import multiprocessing
            from concurrent.futures import ProcessPoolExecutor
            import joblib
            import gtrack
            from gtrack.fluent.propagate import propagate

            def child(n):
                gtrack.log_metric(f"outside_{{n}}", n)
                with gtrack.start_run(f"child-{{n}}", nested=True) as run:
                    gtrack.log_metric("n", n)
                return run.id

            def within(here, n):
                with here:
                    return child(n)

            if __name__ == "__main__":
                with gtrack.start_run(experiment="pools") as parent:
                    work = propagate(child)
                    print(parent.id, *{_POOLS[pool]})
            """
        )
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "pools.py"],
        cwd=quiet,
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )
    assert done.returncode == 0, done.stderr
    parent, *children = done.stdout.split()
    check(parent, children)


@pytest.mark.slow
def test_a_process_that_is_handed_a_run_which_has_ended(quiet: Path) -> None:
    with gtrack.start_run("parent") as parent:
        here = pickle.dumps(propagate())
    code = f"""
    import pickle
    import gtrack
    with pickle.loads({here!r}):
        with gtrack.start_run("late", nested=True):
            pass
        try:
            gtrack.log_metric("late", 1)
        except gtrack.GTrackError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=quiet,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert "which propagate() handed to this thread, has ended" in done.stdout, done.stderr
    assert gtrack.get_run("late").parent == parent.id


def test_errors_of_the_function_are_its_own() -> None:
    def fail() -> None:
        raise KeyError("mine")

    with gtrack.start_run() as run, pytest.raises(KeyError, match="mine") as caught:
        propagate(fail)()
    assert not isinstance(caught.value, GTrackError)
    assert gtrack.get_run(run.id).status is Status.FINISHED
