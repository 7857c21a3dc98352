"""A run that both sides changed is merged file by file and value by value; of two values the later counts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtrack.formats.history import parse_rows
from gtrack.formats.yamlio import dumps, load_mapping
from gtrack.git.lfs import Pointer
from gtrack.git.objects import Change
from gtrack.store.attributes import attribute_line
from gtrack.store.merge.merge import merge
from gtrack.store.merge.outcome import Conflict
from gtrack.store.merge.rows import merge_log, merge_rows
from tests.conftest import Git, examples
from tests.store.merge.conftest import ANA, States, place, run_id

TOP = place(0)
EXPERIMENT = "experiments/default/experiment.yaml"


def yaml(text: str | bytes | None) -> dict[str, object]:
    return dict(load_mapping(text or b"", "it"))


class Sides:
    """Two sides of one run, each with edits at certain times."""

    def __init__(self, states: States, base: dict[str, bytes | None] | None) -> None:
        self.states = states
        start = states.commit({"experiments/default/00/" + run_id(16) + "/run.yaml": b"x: 1\n"})
        self.base = states.commit(base, start) if base else start
        self.ours = self.theirs = self.base

    def here(self, seconds: int, **files: bytes | None) -> Sides:
        self.ours = self.states.commit(_paths(files), self.ours, seconds=seconds)
        return self

    def there(self, seconds: int, **files: bytes | None) -> Sides:
        self.theirs = self.states.commit(_paths(files), self.theirs, seconds=seconds)
        return self

    def merged(self) -> tuple[dict[str, bytes | None], tuple[Conflict, ...]]:
        found = self.states.merged(self.ours, self.theirs)
        paths = [path for path in self.states.paths(found.commit) if path.startswith(TOP)]
        return {path[len(TOP) + 1 :]: self.states.file(found.commit, path) for path in paths}, found.conflicts


def _paths(files: dict[str, bytes | None]) -> dict[str, bytes | None]:
    """Take ``run_yaml`` for ``run.yaml``, ``artifacts__a`` for ``artifacts/a`` of the run."""
    names = {name: name.replace("__", "/").replace("_yaml", ".yaml").replace("_log", ".log") for name in files}
    return {f"{TOP}/{names[name]}": data for name, data in files.items()}


def sides(states: States, **files: bytes | None) -> Sides:
    return Sides(states, _paths(files))


def run(**values: Any) -> bytes:
    return dumps({"name": "one", "status": "finished", "tags": {}, "notes": None, **values}).encode()


class TestFields:
    def test_what_each_side_set_is_there(self, states: States) -> None:
        both = sides(states, run_yaml=run(tags={"a": "1", "b": "1", "c": "1"}))
        both.here(5, run_yaml=run(tags={"a": "2", "b": "1", "d": "new"}, notes="mine"))
        both.there(6, run_yaml=run(tags={"a": "1", "b": "3", "c": "1", "e": "new"}))
        files, conflicts = both.merged()
        assert files["run.yaml"] == run(tags={"a": "2", "b": "3", "d": "new", "e": "new"}, notes="mine")
        assert conflicts == ()

    @pytest.mark.parametrize(("here", "there", "kept"), [(7, 6, "mine"), (6, 7, "theirs"), (6, 6, "theirs")])
    def test_of_two_values_the_later_counts_and_the_other_is_named(
        self, states: States, here: int, there: int, kept: str
    ) -> None:
        both = sides(states, run_yaml=run())
        both.here(here, run_yaml=run(notes="mine")).there(there, run_yaml=run(notes="theirs"))
        files, conflicts = both.merged()
        lost = {"mine": "theirs", "theirs": "mine"}[kept]
        assert yaml(files["run.yaml"])["notes"] == kept
        assert conflicts == (Conflict("default", run_id(0), "run.yaml: notes", kept, lost),)

    def test_each_value_is_as_new_as_its_own_edit(self, states: States) -> None:
        both = sides(states, run_yaml=run())
        both.here(10, run_yaml=run(notes="first")).here(40, run_yaml=run(notes="first", tags={"t": "late"}))
        both.there(20, run_yaml=run(notes="second")).there(30, run_yaml=run(notes="second", tags={"t": "early"}))
        files, conflicts = both.merged()
        assert files["run.yaml"] == run(notes="second", tags={"t": "late"})
        assert len(conflicts) == 2

    def test_a_value_that_a_merge_brought_is_as_old_as_it_is(self, states: States) -> None:
        both = sides(states, run_yaml=run())
        both.here(10, run_yaml=run(notes="old"))
        aside = states.commit(_paths({"run_yaml": run(tags={"x": "1"})}), both.base, seconds=11)
        both.ours = merge(states.repo, both.ours, aside, ANA, source="aside").commit  # it is of now
        both.there(20, run_yaml=run(notes="new"))
        assert yaml(both.merged()[0]["run.yaml"]) == yaml(run(notes="new", tags={"x": "1"}))

    def test_how_it_ended_is_of_one_side(self, states: States) -> None:
        both = sides(states, run_yaml=run(ended="2026-01-01T00:00:00.000000Z", exit_code=0))
        both.here(10, run_yaml=run(status="failed", ended="2026-01-02T00:00:00.000000Z", exit_code=1))
        both.there(20, run_yaml=run(status="finished", ended="2026-01-03T00:00:00.000000Z", exit_code=0, notes="x"))
        files, conflicts = both.merged()
        found = yaml(files["run.yaml"])
        assert [found[key] for key in ("status", "exit_code", "notes")] == ["finished", 0, "x"]
        assert b"\nended: 2026-01-03T00:00:00.000000Z\n" in (files["run.yaml"] or b"")
        assert [one.what for one in conflicts] == ["run.yaml: status, ended, exit_code, code"]

    def test_resumed_on_both_sides_it_tells_of_both(self, states: States) -> None:
        first, second, third = ({"at": f"2026-01-0{day}T00:00:00.000000Z", "day": day} for day in (1, 2, 3))
        both = sides(states, run_yaml=run(resumed=[first]))
        both.here(9, run_yaml=run(resumed=[first, third])).there(5, run_yaml=run(resumed=[first, second]))
        files, conflicts = both.merged()
        assert yaml(files["run.yaml"])["resumed"] == [first, second, third]
        assert conflicts == ()

    def test_numbers_stay_what_they_are(self, states: States) -> None:
        both = sides(states, params_yaml=b"a: 1\nb:\n  c: 1\n  d: 1\n", metrics_yaml=b"f1: 0.5\nloss: .nan\n")
        both.here(5, params_yaml=b"a: 1.0\nb:\n  c: 2\n  d: 1\n", metrics_yaml=b"f1: 0.5\nloss: .nan\nauc: 1\n")
        both.there(6, params_yaml=b"a: 1\nb:\n  c: 1\n  d: true\n", metrics_yaml=b"f1: 1.0e-05\nloss: .nan\n")
        files, conflicts = both.merged()
        assert files["params.yaml"] == b"a: 1.0\nb:\n  c: 2\n  d: true\n"
        assert files["metrics.yaml"] == b"f1: 1.0e-05\nloss: .nan\nauc: 1\n"
        assert conflicts == ()

    def test_an_input_is_of_one_side(self, states: States) -> None:
        both = sides(states, inputs_yaml=b"data:\n  digest: a\n  rows: 1\n")
        both.here(5, inputs_yaml=b"data:\n  digest: b\n  rows: 1\nmine:\n  digest: m\n")
        both.there(6, inputs_yaml=b"data:\n  digest: c\n  rows: 2\n")
        assert yaml(both.merged()[0]["inputs.yaml"]) == {"data": {"digest": "c", "rows": 2}, "mine": {"digest": "m"}}

    def test_what_one_side_wrote_stays_byte_for_byte(self, states: States) -> None:
        odd = b"# by hand\nname:   'one'\n\nstatus: finished\n"
        both = sides(states, run_yaml=run(), params_yaml=b"a: 1\n")
        both.here(5, run_yaml=odd).there(6, params_yaml=b"a:    2 # two\n")
        files, _ = both.merged()
        assert (files["run.yaml"], files["params.yaml"]) == (odd, b"a:    2 # two\n")

    @pytest.mark.parametrize(
        "damaged", [b"a: [1\n", b"- no mapping\n", b"\xff\xfe", b'a: "\\ud800"\n', b"a: &x [1]\n" + b"b: *x\n" * 50]
    )
    def test_of_what_cannot_be_read_the_newest_file_counts(self, states: States, damaged: bytes) -> None:
        for here, there, wanted in ((5, 6, b"a: 2\n"), (6, 5, damaged)):
            both = sides(states, params_yaml=b"a: 1\n")
            both.here(here, params_yaml=damaged).there(there, params_yaml=b"a: 2\n")
            files, conflicts = both.merged()
            assert files["params.yaml"] == wanted
            assert [one.what for one in conflicts] == ["params.yaml"]

    def test_an_experiment_that_both_made_is_as_old_as_the_older(self, states: States) -> None:
        both = Sides(states, None)
        early, late = ("2026-01-01T00:00:00.000000Z", "2026-02-01T00:00:00.000000Z")
        objective = {"metric": "loss", "goal": "minimize"}
        ours = dumps({"name": "default", "created": late, "purpose": None, "tags": {"a": "1"}, "objective": None})
        theirs = dumps(
            {"name": "default", "created": early, "purpose": None, "tags": {"b": "1"}, "objective": objective}
        )
        both.ours = states.commit({EXPERIMENT: ours.encode()}, both.base, seconds=5)
        both.theirs = states.commit({EXPERIMENT: theirs.encode()}, both.base, seconds=6)
        found = states.merged(both.ours, both.theirs)
        text = states.file(found.commit, EXPERIMENT) or b""
        assert yaml(text) == {
            "name": "default",
            "created": early,
            "purpose": None,
            "tags": {"a": "1", "b": "1"},
            "objective": objective,
        }
        assert f"created: {early}\n".encode() in text
        assert [(one.run_id, one.what) for one in found.conflicts] == [("", "experiment.yaml: objective")]


class TestRows:
    def test_of_both_sides_are_there_in_the_order_of_time(self, states: States) -> None:
        def rows(*times: float) -> bytes:
            return b"".join(b'- {"step": 1, "time": %.1f}\n' % time for time in times)

        both = sides(states, history_yaml=rows(1, 2), output_log=b"a\n")
        both.here(9, history_yaml=rows(1, 2, 5, 7), output_log=b"a\nlate")
        both.there(8, history_yaml=rows(1, 2, 3, 5, 6), output_log=b"a\nearly\n")
        files, conflicts = both.merged()
        assert files["history.yaml"] == rows(1, 2, 3, 5, 6, 7)
        assert files["output.log"] == b"a\nearly\nlate"
        assert conflicts == ()

    def test_that_somebody_rewrote_are_taken_whole(self, states: States) -> None:
        both = sides(states, history_yaml=b'- {"step": 0}\n', output_log=b"a\n")
        both.here(9, history_yaml=b"-\n  step: 0\n", output_log=b"b\n")
        both.there(8, history_yaml=b'- {"step": 1}\n', output_log=b"a\nc\n")
        files, conflicts = both.merged()
        assert (files["history.yaml"], files["output.log"]) == (b"-\n  step: 0\n", b"b\n")
        assert len(conflicts) == 2

    Rows = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=6)

    @given(base=Rows, one=Rows, two=Rows)
    @examples(200)
    def test_are_all_kept_once_whichever_side_is_first(
        self, base: list[tuple[int, int]], one: list[tuple[int, int]], two: list[tuple[int, int]]
    ) -> None:
        def data(rows: list[tuple[int, int]]) -> bytes:
            return b"".join(b'- {"step": %d, "time": %d.5}\n' % row for row in rows)

        start = data(base)
        ours, theirs = start + data(one), start + data(two)
        found = merge_rows(start, ours, theirs)
        assert found is not None
        assert found == merge_rows(start, theirs, ours)
        assert found.startswith(start)
        lines = found.splitlines()
        for side in (ours, theirs):
            assert all(lines.count(line) >= side.splitlines().count(line) for line in side.splitlines())
        assert len(lines) <= len(base) + len(one) + len(two)
        assert len(parse_rows(found)[0]) == len(lines)

    def test_that_both_took_out_stay_out(self) -> None:
        a, b, c = b'- {"step": 1}\n', b'- {"step": 2}\n', b'- {"step": 3}\n'
        assert merge_rows(a + b, b, a + b + c) == b + c
        assert merge_rows(a + b, a + b + c, b) == b + c

    def test_a_log_that_begins_like_the_other_is_not_told_twice(self) -> None:
        assert merge_log(b"a\n", b"a\nb\n", b"a\nb\nc\n") == b"a\nb\nc\n"
        assert merge_log(b"a\n", b"a\nb\nc\n", b"a\nb\n") == b"a\nb\nc\n"


class TestArtifacts:
    def test_each_is_of_who_changed_it_last(self, states: States, git: Git) -> None:
        both = sides(states, artifacts__a=b"0", artifacts__b=b"0", artifacts__c=b"0", artifacts__d=b"0")
        both.here(5, artifacts__a=b"1", artifacts__b=b"1", artifacts__c=None, artifacts__new=b"1")
        both.there(6, artifacts__b=b"2", artifacts__c=b"2", artifacts__d=None)
        files, conflicts = both.merged()
        assert files == {"artifacts/a": b"1", "artifacts/b": b"2", "artifacts/c": b"2", "artifacts/new": b"1"}
        kept, lost = (git("hash-object", "--stdin", stdin=text)[:12] for text in ("2", "1"))
        assert conflicts == (
            Conflict("default", run_id(0), "artifacts/b", f"blob {kept}", f"blob {lost}"),
            Conflict("default", run_id(0), "artifacts/c", "the changed file", "its removal"),
        )

    @pytest.mark.parametrize("pointer_is_later", [False, True])
    def test_which_are_pointers_is_said_of_those_that_are(self, states: States, pointer_is_later: bool) -> None:
        def lines(*paths: str) -> bytes:
            return "".join(f"{attribute_line(path)}\n" for path in paths).encode()

        pointer = Pointer("0" * 64, 5).encode()
        at = ".gitattributes"
        both = Sides(
            states, {f"{TOP}/artifacts/a": b"small", f"{TOP}/artifacts/z": pointer, f"{TOP}/artifacts/{at}": lines("z")}
        )
        both.ours = states.commit(
            {f"{TOP}/artifacts/a": pointer, f"{TOP}/artifacts/{at}": lines("z", "a")},
            both.base,
            seconds=7 if pointer_is_later else 5,
        )
        both.theirs = states.commit(
            {
                f"{TOP}/artifacts/a": b"other",
                f"{TOP}/artifacts/y": pointer,
                f"{TOP}/artifacts/z": b"now small",
                f"{TOP}/artifacts/{at}": lines("y"),
            },
            both.base,
            seconds=6,
        )
        files, _ = both.merged()
        assert files["artifacts/a"] == (pointer if pointer_is_later else b"other")
        assert files[f"artifacts/{at}"] == (lines("a", "y") if pointer_is_later else lines("y"))
        assert (files["artifacts/y"], files["artifacts/z"]) == (pointer, b"now small")

    def test_a_directory_takes_the_place_of_a_file(self, states: States) -> None:
        both = sides(states, run_yaml=run())
        both.here(9, artifacts__a=b"file").there(5, artifacts__a__b=b"inside")
        files, conflicts = both.merged()
        assert set(files) == {"run.yaml", "artifacts/a/b"}
        assert [(one.what, one.lost) for one in conflicts] == [("artifacts/a", "a file")]


def test_runs_that_both_sides_made_alike_need_no_base(states: States) -> None:
    ours = states.commit({f"{TOP}/run.yaml": run(tags={"a": "1"})}, seconds=5)
    theirs = states.commit({f"{TOP}/run.yaml": run(tags={"b": "2"})}, seconds=6)
    found = states.merged(ours, theirs)
    assert states.file(found.commit, f"{TOP}/run.yaml") == run(tags={"a": "1", "b": "2"})


def test_a_symlink_in_a_run_that_both_changed_is_refused(states: States, git: Git) -> None:
    both = sides(states, run_yaml=run())
    both.here(5, run_yaml=run(notes="x"))
    link = git("hash-object", "-w", "--stdin", stdin="/etc/passwd")
    both.theirs = states.entries([Change(f"{TOP}/artifacts/link", link, "120000")], both.theirs)
    found = states.merged(both.ours, both.theirs)
    assert [(one.path, one.reason) for one in found.refused] == [(f"{TOP}/artifacts/link", "a symbolic link")]
    assert f"{TOP}/artifacts/link" not in states.paths(found.commit)
