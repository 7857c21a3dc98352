"""The index says what the branch and the live directories say, whatever happened to either, or to it."""

from __future__ import annotations

import json
import math
import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from gtrack.errors import QueryError
from gtrack.formats.names import experiment_path, run_path
from gtrack.git.objects import Change, FastImport
from gtrack.git.refs import Update, update
from gtrack.project import Project
from gtrack.records import Goal, Run, Status
from gtrack.store.index import Index
from gtrack.store.index_file import first_of_each
from gtrack.store.index_rows import Course, courses
from gtrack.store.query.parser import parse_filter, parse_order
from gtrack.writer import ActiveRun
from tests.conftest import Git

BEGIN = datetime(2026, 1, 1, tzinfo=timezone.utc)
REF = "refs/heads/gtrack/runs"
ODD_NAMES = ["val/loss", "a b", "dots.in.it", 'qu"ote', "it's", "back`tick", "größe", "猫🐈", "%", "_", "x" * 200]

DUMPS = {
    "runs": "SELECT * FROM runs",
    "params": "SELECT r.id, k.name, t.num, t.text FROM params t JOIN keys k USING (k) JOIN runs r USING (n)",
    "metrics": "SELECT r.id, k.name, t.* FROM metrics t JOIN keys k USING (k) JOIN runs r USING (n)",
    "tags": "SELECT r.id, k.name, t.text FROM tags t JOIN keys k USING (k) JOIN runs r USING (n)",
    "inputs": "SELECT r.id, t.name, t.digest FROM inputs t JOIN runs r USING (n)",
    "packages": "SELECT r.id, p.name, p.version FROM runs r JOIN packages p ON p.e = r.environment",
}
NUMBERS_OF_ROWS = {"n", "k", "environment"}


def run_id(number: int) -> str:
    return f"{random.Random(number).getrandbits(128):032x}"


def put(
    project: Project, number: int, files: dict[str, str] | None = None, *, experiment: str = "forest", **fields: Any
) -> Run:
    """Commit a run whose id follows from ``number``, which also started so many seconds after the first."""
    started = BEGIN + timedelta(seconds=number)
    fields = {"status": Status.FINISHED, "started": started, "ended": started, **fields}
    run = Run(run_id(number), fields.pop("name", f"run-{number}"), experiment, **fields)
    live = project.live.create(run)
    for name, text in (files or {}).items():
        (live.path / name).write_text(text)
    project.store.commit(live, run)
    live.remove()
    return run


def move_branch(project: Project, changes: list[Change], *, parents: bool = True) -> None:
    """Commit changes to the runs branch behind the back of the store; without parents as a history of its own."""
    tip = project.repo.resolve(REF)
    assert tip is not None
    with FastImport(project.repo) as stream:
        mark = stream.commit([tip], changes, "by hand\n", project.identity(), 0)
    oid = stream.oids[mark]
    if not parents:
        tree = project.repo.run("rev-parse", f"{oid}^{{tree}}").decode().strip()
        oid = project.repo.run("commit-tree", tree, "-m", "rewritten").decode().strip()
    update(project.repo, [Update(REF, oid, tip)], project.identity(), "test")


def told(run: Run) -> str:
    return repr(vars(run))


def naive(project: Project) -> dict[str, Run]:
    branch = project.store.branch()
    found = {run.id: run for run in branch.runs(first_of_each(branch.locations()))}
    return {**found, **{run.id: run for run in project.live.runs()}}


def dump(project: Project) -> dict[str, list[str]]:
    """Return all that the index holds, without the numbers that stand for runs and names."""
    found = {}
    for table, sql in DUMPS.items():
        with project.index._ready() as connection:
            cursor = connection.execute(sql)
            names = [column[0] for column in cursor.description]
            rows = [{n: v for n, v in zip(names, row, strict=True) if n not in NUMBERS_OF_ROWS} for row in cursor]
        found[table] = sorted(map(repr, rows))
    return found


def check(project: Project) -> None:
    """Hold what the index tells against reading everything, and against an index that is built anew."""
    runs = naive(project)
    newest_first = sorted(runs.values(), key=lambda run: run.id)
    newest_first.sort(key=lambda run: run.started or datetime.min.replace(tzinfo=timezone.utc), reverse=True)
    assert [told(run) for run in project.index.select()] == [told(run) for run in newest_first]
    assert project.index.count() == len(runs)
    assert project.index.names("params") == sorted({name for run in runs.values() for name in run.flat_params})
    assert project.index.names("tags") == sorted({name for run in runs.values() for name in run.tags})
    assert project.index.names("metrics") == sorted({name for run in runs.values() for name in run.metrics})
    for metric in {name for run in runs.values() for name in run.metrics}:
        wanted = {run.id: run.metrics[metric] for run in runs.values() if metric in run.metrics}
        found = project.index.column("metrics", metric)
        assert {key: None if math.isnan(value) else value for key, value in wanted.items()} == found
    kept_up = dump(project)
    project.index.refresh(rebuild=True)
    assert dump(project) == kept_up


@pytest.fixture
def fresh(project: Project) -> Project:
    put(project, 1, {"params.yaml": "lr: 0.1\n", "metrics.yaml": "f1: 0.5\n"}, tags={"team": "red"})
    put(project, 2, {"params.yaml": "lr: 0.2\nopt: {name: adam}\n", "metrics.yaml": "f1: .nan\n"})
    put(project, 3, {"metrics.yaml": "loss: 1\n"}, experiment="other")
    return project


def test_runs_by_the_models_that_they_have_versions_of(fresh: Project) -> None:
    first, second, third = (run_id(number) for number in (1, 2, 3))
    versions = [
        (first, "churn", None),
        (second, "churn", "production"),
        (second, "churn", "champion"),
        (third, "x", "production"),
    ]
    index = Index(fresh.repo, REF, fresh.live, fresh.store.tip, lambda: versions)

    def found(text: str) -> set[str]:
        return set(index.ids(parse_filter(text, index.names)))

    assert found("model = 'churn'") == {first, second}
    assert found("model LIKE 'ch%' and stage = 'Production'") == {second}
    assert found("stage IN ('CHAMPION', 'other')") == {second}
    assert found("stage IS NULL") == {first}
    assert found("not model = 'churn'") == {third}
    assert found("model IS NULL") == set()
    versions.pop()
    assert found("model IS NULL") == {third}
    assert index.count(parse_filter("attributes.model = 'churn'", index.names)) == 2
    with pytest.raises(QueryError, match="several models"):
        parse_order("model")
    index.close()


def test_a_new_index_says_what_is_there(fresh: Project) -> None:
    assert not fresh.index.path.exists()
    check(fresh)
    assert fresh.index.is_stored
    assert fresh.index.path == fresh.repo.common_dir / "gtrack" / "index.db"


def test_no_branch_no_runs(project: Project) -> None:
    assert project.index.select() == []
    assert project.index.names("metrics") == []
    assert project.index.experiments() == []
    put(project, 1)
    check(project)
    project.repo.run("update-ref", "-d", REF)
    check(project)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_to_the_branch(project: Project, seed: int) -> None:
    chance = random.Random(seed)
    tips: list[str] = []
    numbers = list(range(40))
    chance.shuffle(numbers)

    def commit() -> None:
        number = numbers.pop()
        metrics = f"f1: {chance.choice(['0.5', '.nan', '7', '.inf', '-1e-300'])}\n"
        rows = "".join(f'- {{"step": {step}, "time": 1.000000, "f1": {chance.random()}}}\n' for step in range(3))
        files = {"params.yaml": f"lr: {chance.random()}\n", "metrics.yaml": metrics, "history.yaml": rows}
        put(project, number, files, experiment=chance.choice(["a", "b b", "ü"]), tags={chance.choice("xyz"): "1"})

    def edit() -> None:
        project.store.edit(chance.choice(project.store.ids()), lambda head: head.update(notes="edited"), "edited")

    def remove() -> None:
        location = chance.choice(project.store.branch().locations())
        move_branch(project, [Change(run_path(location.experiment, location.id), None)])

    def move() -> None:
        location = chance.choice(project.store.branch().locations())
        there = Change(run_path("moved", location.id), location.tree, "040000")
        here = Change(run_path(location.experiment, location.id), None)
        move_branch(project, [there] if location.experiment == "moved" or chance.random() < 0.5 else [here, there])

    def rewrite() -> None:
        location = chance.choice(project.store.branch().locations())
        move_branch(project, [Change(run_path(location.experiment, location.id), None)], parents=False)

    def rewind() -> None:
        project.repo.run("update-ref", REF, chance.choice(tips))

    for _ in range(12):
        possible = [commit, commit, edit, remove, move, rewrite, rewind] if project.store.ids() else [commit]
        chance.choice(possible)()
        tip = project.repo.resolve(REF)
        assert tip is not None
        tips.append(tip)
        if chance.random() < 0.7:
            check(project)
    check(project)


def test_the_commit_that_it_knew_is_gone(fresh: Project) -> None:
    fresh.index.refresh()
    location = fresh.store.branch().locations()[0]
    move_branch(fresh, [Change(run_path(location.experiment, location.id), None)], parents=False)
    fresh.close()
    fresh.repo.run("reflog", "expire", "--expire=all", "--all")
    fresh.repo.run("gc", "--prune=now", "--quiet")
    check(fresh)
    assert fresh.index.count() == 2


def test_a_run_that_two_experiments_have_is_one(fresh: Project) -> None:
    fresh.index.refresh()
    location = fresh.store.branch().locations()[0]
    move_branch(fresh, [Change(run_path("zzz", location.id), location.tree, "040000")])
    check(fresh)
    move_branch(fresh, [Change(run_path(location.experiment, location.id), None)])
    check(fresh)
    assert {run.experiment for run in fresh.index.select()} == {"forest", "other", "zzz"}


# What may have become of the file


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def overwritten(path: Path) -> None:
    path.write_text("not a database, but text of some length\n" * 100)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def scribbled(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for at in range(4096, len(data), 512):
        data[at : at + 256] = b"\xff" * 256
    path.write_bytes(data)


def another_version(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = '0' WHERE key = 'version'")
    connection.close()


def another_branch(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = 'refs/heads/elsewhere' WHERE key = 'ref'")
    connection.close()


def without_a_table(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE meta")
    connection.close()


def foreign(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE runs (whatever)")
    connection.close()


def unknown_tip(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = ? WHERE key = 'tip'", ("0" * 39 + "1",))
    connection.close()


@pytest.mark.parametrize(
    "harm",
    [
        Path.unlink,
        emptied,
        overwritten,
        truncated,
        scribbled,
        another_version,
        another_branch,
        without_a_table,
        foreign,
        unknown_tip,
    ],
)
def test_a_file_that_cannot_be_used_is_made_anew(fresh: Project, harm: Callable[[Path], object]) -> None:
    fresh.index.refresh()
    fresh.index.close()
    harm(fresh.index.path)
    assert len(fresh.index.select()) == 3
    check(fresh)


def test_damage_that_a_query_finds_is_mended(fresh: Project) -> None:
    fresh.index.refresh()
    scribbled(fresh.index.path)  # while it is open
    fresh.index._file._connection.execute("PRAGMA shrink_memory")  # type: ignore[union-attr]
    assert len(fresh.index.select()) == 3


def test_a_file_that_is_deleted_or_replaced_while_it_is_open(fresh: Project) -> None:
    fresh.index.refresh()
    other = Project.open()
    other.index.refresh(rebuild=True)
    put(other, 4)
    check(fresh)
    fresh.index.path.unlink()
    put(other, 5)
    check(fresh)
    check(other)
    assert sorted(path.name for path in fresh.index.path.parent.glob("index*")) == ["index.db", "index.lock"]


def test_where_nothing_can_be_written_it_lives_in_memory(fresh: Project) -> None:
    directory = fresh.repo.common_dir / "gtrack"
    for path in directory.iterdir():
        path.unlink()
    directory.rmdir()
    directory.write_text("in the way\n")
    check(fresh)
    assert not fresh.index.is_stored
    put(fresh, 4)
    check(fresh)
    assert fresh.index.count() == 4


def test_a_stored_index_that_cannot_be_brought_up_to_date_goes_on_in_memory(fresh: Project) -> None:
    fresh.index.refresh()
    before = fresh.index.path.read_bytes()
    fresh.index.path.with_name("index.lock").unlink()
    fresh.index.path.with_name("index.lock").mkdir()
    put(fresh, 4)
    other = Project.open()
    assert other.index.count() == 4
    assert not other.index.is_stored
    assert fresh.index.path.read_bytes() == before


def test_what_a_killed_builder_left_is_swept(fresh: Project) -> None:
    fresh.index.path.parent.mkdir(exist_ok=True)
    (fresh.index.path.parent / "index-00.tmp").write_bytes(b"half")
    (fresh.index.path.parent / "index.db-journal").write_bytes(b"\xd9\xd5\x05\xf9 \xa1c\xd7 of another file")
    check(fresh)
    assert not list(fresh.index.path.parent.glob("index-*"))


# Several at once

COUNT = """
import sys
from gtrack.project import Project
project = Project.open()
sys.stdin.readline()
for _ in range(int(sys.argv[1])):
    runs = project.index.select()
    print(len(runs), len({run.id for run in runs}), flush=True)
print("stored" if project.index.is_stored else "memory")
"""


def start(times: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", COUNT, str(times)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, **pipes)  # type: ignore[call-overload, no-any-return]


def answers(processes: list[subprocess.Popen[str]]) -> list[list[list[int]]]:
    found = []
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert (process.returncode, err) == (0, "")
        *lines, where = out.splitlines()
        assert where == "stored"
        found.append([[int(word) for word in line.split()] for line in lines])
    return found


@pytest.mark.slow
def test_several_processes_build_it_at_once(fresh: Project) -> None:
    processes = [start(1) for _ in range(5)]
    assert answers(processes) == [[[3, 3]]] * 5
    assert sorted(path.name for path in fresh.index.path.parent.glob("index*")) == ["index.db", "index.lock"]
    check(fresh)


@pytest.mark.slow
def test_several_processes_bring_it_up_to_date_at_once(fresh: Project) -> None:
    fresh.index.refresh()
    fresh.close()
    for number in range(10, 20):
        put(fresh, number)
    processes = [start(1) for _ in range(5)]
    assert answers(processes) == [[[13, 13]]] * 5
    check(fresh)


@pytest.mark.slow
def test_readers_while_runs_come_and_the_index_is_rebuilt(fresh: Project) -> None:
    processes = [start(25) for _ in range(2)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for number in range(10, 22):
        put(fresh, number)
        fresh.index.refresh(rebuild=number % 3 == 0)
    for counts in answers(processes):
        assert counts == sorted(counts), "a run was there and then was not"
        assert all(many == different for many, different in counts)
    check(fresh)


def test_several_threads_ask_while_runs_come(fresh: Project) -> None:
    failed: list[BaseException] = []

    def ask() -> None:
        try:
            for _ in range(15):
                assert len(fresh.index.select()) >= 3
        except BaseException as error:  # noqa: BLE001 - reported by the test
            failed.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(10, 14):
        put(fresh, number)
    for thread in threads:
        thread.join()
    assert failed == []
    check(fresh)


FORK = """
import os, warnings
warnings.simplefilter("ignore")
from gtrack.project import Project
project = Project.open()
before = project.index.count()
child = os.fork()
if child == 0:
    assert project.index.count() == before
    project.index.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert project.index.count() == before
print(before)
"""


def test_a_forked_child_asks_for_itself(fresh: Project) -> None:
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "3\n", "")


# Live runs


def test_live_runs_are_in_every_answer(fresh: Project) -> None:
    fresh.index.refresh()
    live = ActiveRun.start(fresh, name="alive", experiment="new", tags={"fresh": "yes"})
    live.log_params({"lr": 0.7, "new": 1})
    live.log_metrics({"f1": 0.9, "new/metric": 3}, step=0)
    live.log_metrics({"f1": 0.8}, step=1)
    check(fresh)
    assert fresh.index.select()[0].live
    assert fresh.index.names("params") == ["lr", "new", "opt.name"]
    assert fresh.index.best("f1", Goal.MAXIMIZE)[0].name == "alive"
    where = parse_filter("metrics.f1 > 0.7 and params.lr = 0.7 and tags.fresh = 'yes'", fresh.index.names)
    assert [run.name for run in fresh.index.select(where)] == ["alive"]
    assert fresh.index.select(order=[parse_order("metrics.f1 DESC")])[0].name == "alive"
    assert fresh.index.count(only={"experiment": ("new",)}) == 1
    assert ("new", "running", 1) in [row[:3] for row in fresh.index.experiments()]
    assert [row for row in dump(fresh)["metrics"] if "0.9" in row]
    live.end()
    check(fresh)
    assert not fresh.index.select()[0].live


def test_a_resumed_run_is_one_run_and_live(fresh: Project) -> None:
    first = ActiveRun.start(fresh, name="again")
    first.log_metrics({"f1": 0.1}, step=0)
    done = first.end()
    fresh.index.refresh()
    assert fresh.index.count() == 4
    live = fresh.live.create(fresh.store.run(done.id))
    live.write("metrics.yaml", b"f1: 0.99\n")
    check(fresh)
    assert fresh.index.count() == 4
    assert [run.live for run in fresh.index.select() if run.id == done.id] == [True]
    assert fresh.index.column("metrics", "f1")[done.id] == 0.99
    live.remove()
    check(fresh)


def test_a_question_that_was_cut_short_leaves_nothing(fresh: Project) -> None:
    ActiveRun.start(fresh, name="alive")
    with pytest.raises(sqlite3.OperationalError):
        fresh.index._rows("SELECT nonsense")
    assert fresh.index.count() == 4


# What is in the runs


def test_damaged_run_directories_are_listed(fresh: Project) -> None:
    put(fresh, 4, {"params.yaml": "lr: {\n", "metrics.yaml": "f1: word\nloss: 2\n"})
    put(fresh, 5, {"history.yaml": 'nonsense\n- {"step": 0, "f1": 0.25}\n- {"step": 1, "f1"', "inputs.yaml": "- 1\n"})
    place = run_path("forest", run_id(1))
    move_branch(fresh, [Change(f"{place}/run.yaml", None), Change(experiment_path("forest"), None)])
    check(fresh)
    assert sum(bool(run.problems) for run in fresh.index.select()) == 3
    assert fresh.index.column("metrics", "loss")[run_id(4)] == 2.0


def test_a_run_yaml_that_someone_broke(fresh: Project, git: Git) -> None:
    place = run_path("forest", run_id(1))
    blob = git("hash-object", "-w", "--stdin", stdin="status: [what\nexit_code: 99999999999999999999999\n")
    move_branch(fresh, [Change(f"{place}/run.yaml", blob), Change(f"{place}/params.yaml", blob)])
    check(fresh)
    huge = git("hash-object", "-w", "--stdin", stdin="status: finished\nexit_code: 99999999999999999999999\n")
    move_branch(fresh, [Change(f"{place}/run.yaml", huge)])
    check(fresh)


def test_odd_names_of_metrics_parameters_and_tags(project: Project) -> None:
    names = {name: index for index, name in enumerate(ODD_NAMES)}
    flat = "".join(f"{json.dumps(name, ensure_ascii=False)}: {value}\n" for name, value in names.items())
    row = json.dumps({"step": 0, "time": 1.0, **names})
    files = {"params.yaml": flat, "metrics.yaml": flat, "history.yaml": f"- {row}\n"}
    put(project, 1, files, tags={name: name for name in ODD_NAMES})
    check(project)
    for name, value in names.items():
        assert project.index.column("metrics", name) == {run_id(1): value}
        assert project.index.column("params", name) == {run_id(1): value}
        assert project.index.column("tags", name) == {run_id(1): name}
        assert [run.id for run in project.index.best(name, Goal.MINIMIZE)] == [run_id(1)]
    assert sorted(project.index.names("metrics")) == sorted(ODD_NAMES)


def test_numbers_that_sqlite_cannot_hold(project: Project) -> None:
    huge = "1" + "0" * 400
    rows = f'- {{"step": {huge}, "time": 1.0, "big": {huge}, "bad": NaN, "odd": "\\ud800"}}\n- {{"step": 1, "big": -{huge}}}\n'
    params = f"big: {huge}\nbad: .nan\nflag: true\nnone: null\nlist: [1, 2]\n"
    put(project, 1, {"metrics.yaml": f"big: {huge}\nbad: .nan\n", "history.yaml": rows, "params.yaml": params})
    assert project.index.column("metrics", "big") == {run_id(1): math.inf}
    assert project.index.column("metrics", "bad") == {run_id(1): None}
    assert project.index.column("params", "big") == {run_id(1): int(huge)}
    assert project.index.column("params", "bad") == {run_id(1): "nan"}
    run = project.index.select()[0]
    assert run.metrics["big"] == int(huge)
    assert math.isnan(run.metrics["bad"])
    assert run.params == {"big": int(huge), "bad": run.params["bad"], "flag": True, "none": None, "list": [1, 2]}


def test_the_best_ignores_nan_and_takes_the_newest_of_equals(project: Project) -> None:
    for number, value in enumerate(["0.5", ".nan", "0.9", "0.9", "-.inf"]):
        put(project, number, {"metrics.yaml": f"f1: {value}\n"})
    names = [run.name for run in project.index.best("f1", Goal.MAXIMIZE, limit=None)]
    assert names == ["run-3", "run-2", "run-0", "run-4"]
    assert [run.name for run in project.index.best("f1", Goal.MINIMIZE)] == ["run-4"]
    assert project.index.best("nothing", Goal.MINIMIZE) == []


def test_the_goal_of_a_metric(project: Project) -> None:
    put(project, 1, {"metrics.yaml": "f1: 1\nodd: 1\nloss: 1\n"})
    assert [project.index.goal(name) for name in ("f1", "odd", "loss")] == [Goal.MAXIMIZE, None, Goal.MINIMIZE]
    active = ActiveRun.start(project, name="defines")
    active.log_metrics({"odd": 2, "loss": 2}, step=0)
    active.define_metric("odd", "min", None)
    active.define_metric("loss", "last", "maximize")
    active.end()
    assert [project.index.goal(name) for name in ("odd", "loss")] == [Goal.MINIMIZE, Goal.MAXIMIZE]


# Long histories


def naive_course(rows: list[dict[str, float]], name: str) -> Course:
    known = [row for row in rows if name in row]
    real = [row for row in known if row[name] == row[name]] or known
    least, greatest = min(real, key=lambda row: row[name]), max(real, key=lambda row: row[name])
    return Course(
        known[-1][name],
        known[0][name],
        least[name],
        greatest[name],
        len(known),
        known[-1]["step"],
        least["step"],
        greatest["step"],
    )


def test_a_history_in_parts_is_the_same_as_a_whole_one(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(0)
    rows = [
        {"step": step, "time": 1.0, **{name: chance.randrange(50) / 10 for name in "abc" if chance.random() < 0.6}}
        for step in range(400)
    ]
    data = "".join(f"- {json.dumps(row)}\n" for row in rows).encode()
    wanted = {name: naive_course(rows, name) for name in "abc"}
    last = {name: course.last for name, course in wanted.items()}
    assert courses(data, last) == wanted
    for size in (1, 50, 1000):
        monkeypatch.setattr("gtrack.store.index_rows._PART", size)
        assert courses(data, last) == wanted
        assert courses(data.removesuffix(b"}\n"), last)["a"].logged >= wanted["a"].logged - 1


def test_nan_in_some_part_is_no_least_and_no_greatest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gtrack.store.index_rows._PART", 1)
    data = b"".join(b'- {"step": %d, "a": %s}\n' % pair for pair in enumerate([b"NaN", b"3", b"NaN", b"1", b"NaN"]))
    course = courses(data, {"a": math.nan})["a"]
    assert (course.least, course.greatest, course.least_step, course.greatest_step, course.logged) == (1, 3, 3, 1, 5)
    assert math.isnan(course.last)
    assert math.isnan(course.first)


MILLION = """
import resource
from gtrack.store.index_rows import courses
data = b"".join(b'- {"step": %d, "time": 1795376401.123456, "loss": 0.%d, "f1": 0.5}\\n' % (n, n) for n in range(1_000_000))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = courses(data, {"loss": 1, "f1": 0.5})
print(found["loss"].logged, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
def test_a_million_rows_take_little_memory() -> None:
    done = subprocess.run([sys.executable, "-c", MILLION], capture_output=True, text=True, check=True)
    count, more = map(int, done.stdout.split())
    assert count == 1_000_000
    unit = 1 if sys.platform == "darwin" else 1024
    assert more * unit < 150_000_000


def test_progress_is_told(fresh: Project) -> None:
    said: list[tuple[int, int]] = []
    fresh.index.refresh(lambda done, total: said.append((done, total)))
    assert said == [(3, 3)]
    put(fresh, 4)
    fresh.index.refresh(lambda done, total: said.append((done, total)))
    fresh.index.refresh(lambda done, total: said.append((done, total)))
    assert said == [(3, 3), (1, 1)]


def test_many_runs_are_read_by_several_processes(fresh: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4, 9):
        put(fresh, number, {"metrics.yaml": f"f1: 0.{number}\n"})
    alone = dump(fresh)
    monkeypatch.setattr("gtrack.store.index_read._MANY", 2)
    fresh.index.refresh(rebuild=True)
    assert dump(fresh) == alone
