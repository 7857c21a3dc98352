"""Two states of the runs branch become one: nothing is lost, and it does not matter who merges."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtrack.git.objects import Change
from gtrack.store.merge import places
from gtrack.store.merge.bases import Line, merge_bases
from gtrack.store.merge.merge import merge
from gtrack.store.merge.outcome import Conflict, Refused
from tests.conftest import Git, examples
from tests.store.merge.conftest import ANA, States, place, run_id

RUN = b"name: one\nstatus: finished\n"


def run_files(number: int, experiment: str = "default", **files: bytes) -> dict[str, bytes | None]:
    found: dict[str, bytes | None] = {f"{place(number, experiment)}/run.yaml": RUN + b"n: %d\n" % number}
    found.update({f"{place(number, experiment)}/{name.replace('_', '.')}": data for name, data in files.items()})
    return found


def head(number: int, experiment: str = "default") -> str:
    return f"{place(number, experiment)}/run.yaml"


class TestRuns:
    def test_that_both_sides_added_are_all_there(self, states: States) -> None:
        base = states.commit(run_files(0))
        ours, theirs = states.commit(run_files(1), base), states.commit({**run_files(2), **run_files(17)}, base)
        found = states.merged(ours, theirs)
        assert states.paths(found.commit) == sorted(head(number) for number in (0, 1, 2, 17))
        assert set(found.taken) == {run_id(2), run_id(17)}
        assert (found.conflicts, found.refused) == ((), ())

    def test_of_many_shards_come_to_the_same(self, states: States, monkeypatch: pytest.MonkeyPatch) -> None:
        few = [f"few-{number}" for number in range(5)]
        base = states.commit({**run_files(0), **run_files(1, "gone"), **run_files(2, "few-0"), "hostile": b"x"})
        theirs = states.commit(
            {path: data for at, one in enumerate(few * 8, start=20) for path, data in run_files(at, one).items()}, base
        )
        both = {**run_files(99), place(1, "gone"): None, f"{place(2, 'few-0')}/notes.txt": b"1\n"}
        ours = states.commit({**both, **run_files(16)}, base)
        plain = states.merged(ours, theirs)
        monkeypatch.setattr(places, "_STREAMED", 1)
        assert states.tree(states.merged(ours, theirs).commit) == states.tree(plain.commit)
        assert len(plain.taken) == 40

    def test_the_merge_commit_says_what_it_is(self, states: States, git: Git) -> None:
        base = states.commit(run_files(0))
        ours, theirs = states.commit(run_files(1), base), states.commit(run_files(2), base)
        found = merge(states.repo, ours, theirs, ANA, source="origin\nRun: x")
        assert git("log", "-1", "--format=%P|%s|%(trailers:key=Run)|%an", found.commit) == (
            f"{ours} {theirs}|Merge 1 run of origin?Run: x||Ana"
        )
        assert git("log", "-1", "--format=%(trailers:key=Merged-From,valueonly)", found.commit) == "origin?Run: x\n"

    def test_of_what_is_there_already_nothing_is_made(self, states: States) -> None:
        base = states.commit(run_files(0))
        newer = states.commit(run_files(1), base)
        assert merge(states.repo, newer, base, ANA, source="x").commit == newer
        assert merge(states.repo, newer, newer, ANA, source="x").commit == newer
        forward = merge(states.repo, base, newer, ANA, source="x")
        assert (forward.commit, forward.taken) == (newer, (run_id(1),))
        first = merge(states.repo, None, newer, ANA, source="x")
        assert (first.commit, set(first.taken)) == (newer, {run_id(0), run_id(1)})

    def test_removed_by_one_side_are_gone(self, states: States) -> None:
        base = states.commit({**run_files(0), **run_files(1), **run_files(2)})
        ours = states.commit({place(0): None}, base)
        theirs = states.commit({place(1): None, head(2): RUN}, base)
        found = states.merged(ours, theirs)
        assert states.paths(found.commit) == [head(2)]
        assert set(found.taken) == {run_id(1), run_id(2)}

    @pytest.mark.parametrize("swapped", [False, True])
    def test_an_edit_beats_a_removal_and_it_is_said(self, states: States, git: Git, swapped: bool) -> None:
        base = states.commit(run_files(0))
        sides = [states.commit({place(0): None, **run_files(5)}, base), states.commit({head(0): b"name: new\n"}, base)]
        ours, theirs = reversed(sides) if swapped else sides
        found = states.merged(ours, theirs)
        assert states.file(found.commit, head(0)) == b"name: new\n"
        assert found.conflicts == (Conflict("default", run_id(0), "the run", "the changed one", "its removal"),)
        assert f"- default {run_id(0)[:8]}: the run: kept the changed one, lost its removal" in git(
            "log", "-1", "--format=%b", found.commit
        )

    def test_moved_by_one_side_and_edited_by_the_other_are_there_once(self, states: States) -> None:
        base = states.commit(run_files(0, history_yaml=b"- {}\n"))
        moved = {**run_files(0, "elsewhere", history_yaml=b"- {}\n"), place(0): None}
        ours = states.commit({**moved, head(0, "elsewhere"): b"experiment: elsewhere\nn: 0\n"}, base)
        theirs = states.commit({head(0): b"n: 0\nnotes: more\n"}, base)
        found = states.merged(ours, theirs)
        assert states.paths(found.commit) == [f"{place(0, 'elsewhere')}/history.yaml", head(0, "elsewhere")]
        assert b"notes: more" in (states.file(found.commit, head(0, "elsewhere")) or b"")
        only = states.merged(states.commit(run_files(3), base), ours)
        assert head(0) not in states.paths(only.commit)

    def test_moved_by_both_sides_are_where_the_later_put_them(self, states: States) -> None:
        base = states.commit(run_files(0))
        ours = states.commit({place(0): None, head(0, "a"): b"experiment: a\n"}, base, seconds=20)
        theirs = states.commit({place(0): None, head(0, "b"): b"experiment: b\n"}, base, seconds=10)
        found = states.merged(ours, theirs)
        assert states.paths(found.commit) == [head(0, "a")]
        assert states.file(found.commit, head(0, "a")) == b"experiment: a\n"
        assert found.conflicts == (Conflict("a", run_id(0), "experiment", "a", "b"),)

    def test_of_unrelated_branches_are_all_there(self, states: States) -> None:
        ours, theirs = states.commit({**run_files(0), **run_files(1)}), states.commit({**run_files(1), **run_files(2)})
        assert states.paths(states.merged(ours, theirs).commit) == [head(0), head(1), head(2)]

    def test_of_an_experiment_that_one_side_removed_stay_with_what_is_said_of_it(self, states: States) -> None:
        said = "experiments/default/experiment.yaml"
        base = states.commit({**run_files(0), said: b"purpose: x\n"})
        ours = states.commit({"experiments/default": None}, base)
        theirs = states.commit(run_files(1), base)
        assert states.paths(states.merged(ours, theirs).commit) == [head(1), said]


class TestBases:
    def test_a_newer_code_commit_that_both_ran_on_is_none(self, states: States, git: Git) -> None:
        base = states.commit({**run_files(0), **run_files(9)})
        code = git("rev-parse", "HEAD")
        sides = []
        for number in (1, 2):
            message = f"default: one finished\n\nRun: {run_id(number)}\nExperiment: default\n"
            own = states.commit(run_files(number), code, message=message)
            tip = states.commit({place(0): None} if number == 1 else {}, base)
            sides.append(states.commit(run_files(number), tip, own, message=message))
        assert states.repo.run("merge-base", "--all", *sides).split().__len__() == 2
        assert states.paths(states.merged(sides[0], sides[1]).commit) == [head(1), head(2), head(9)]

    def test_after_a_criss_cross_are_merged_first(self, states: States) -> None:
        base = states.commit({**run_files(0), **run_files(1), **run_files(2)})
        one = states.commit({place(0): None}, base, seconds=1)
        two = states.commit({place(1): None}, base, seconds=2)
        ours = merge(states.repo, one, two, ANA, source="two").commit
        theirs = merge(states.repo, two, one, ANA, source="one").commit
        ours, theirs = states.commit(run_files(3), ours), states.commit({place(2): None}, theirs)
        found = states.merged(ours, theirs)
        assert states.paths(found.commit) == [head(3)]
        assert found.conflicts == ()

    @pytest.mark.parametrize("more", ["", "Rewritten-From: 12\nRewritten-From: 34\n"])
    @pytest.mark.parametrize("with_code", [False, True])
    def test_the_commit_of_the_first_run_is_none_of_the_branch(
        self, states: States, git: Git, with_code: bool, more: str
    ) -> None:
        message = f"default: one finished\n\nRun: {run_id(0)}\nExperiment: default\n"
        own = states.commit(run_files(0), *([git("rev-parse", "HEAD")] if with_code else []), message=message)
        first = states.commit({"README.md": None} if with_code else {}, own, message=message + more)
        noted = f"default: one is noted\n\nRun: {run_id(0)}\nExperiment: default\n"
        tips = [first]
        for text in (b"a", b"b"):
            tips.append(states.commit({head(0): text}, tips[-1], message=noted + more))
        line = Line(states.repo, tips[-1], [])
        assert [commit.id for commit in line.commits()] == tips
        assert [line.parents(commit) for commit in line.commits()] == [(), (tips[0],), (tips[1],)]

    @pytest.mark.parametrize("removed", [False, True])
    def test_clocks_that_are_wrong_change_nothing(self, states: States, removed: bool) -> None:
        tips = [states.commit({**run_files(0), **run_files(1)}, seconds=900_000)]
        tips.append(states.commit(run_files(2), tips[0], seconds=910_000))  # a day later than all that comes
        base = tips[-1]
        theirs = base
        for number in range(10, 20):
            theirs = states.commit(run_files(number), theirs, seconds=number)
        assert merge(states.repo, base, theirs, ANA, source="x").commit == theirs
        assert merge(states.repo, theirs, base, ANA, source="x").commit == theirs
        assert len(Line(states.repo, theirs, [base]).commits()) == 10
        assert Line(states.repo, base, [theirs]).commits() == []
        ours = states.commit({place(0): None} if removed else run_files(3), base, seconds=5)
        assert merge_bases(states.repo, ours, theirs) == merge_bases(states.repo, theirs, ours) == [base]
        found = set(states.paths(states.merged(ours, theirs).commit))
        assert (head(0) in found) is not removed
        assert len(found) == (12 if removed else 14)

    def test_a_base_may_be_said(self, states: States) -> None:
        base, rewritten = states.commit({**run_files(0), **run_files(1)}), states.commit(run_files(0), seconds=5)
        ours = states.commit(run_files(2), base)
        found = merge(states.repo, ours, rewritten, ANA, source="x", base=base)
        assert states.paths(found.commit) == [head(0), head(2)]


LINK, SUBMODULE = "120000", "160000"
HOSTILE = {
    "a file at the top": ("README.md", "100644"),
    "a symlink for a run": (place(3), LINK),
    "a file for a run": (place(3), "100644"),
    "a submodule for a shard": ("experiments/default/ff", SUBMODULE),
    "a file for an experiment": ("experiments/evil", "100644"),
    "an experiment that leaves": ("experiments/%2e%2e/00/" + run_id(0), "100644"),
    "an experiment in other letters": ("experiments/de%66ault/experiment.yaml", "100644"),
    "a run in the wrong shard": (f"experiments/default/ff/{run_id(1)}/run.yaml", "100644"),
    "a run of another length": ("experiments/default/03/abc/run.yaml", "100644"),
    "a file beside experiment.yaml": ("experiments/default/other.yaml", "100644"),
    "a directory for experiment.yaml": ("experiments/evil/experiment.yaml/x", "100644"),
    "a symlink in a run": (f"{place(3)}/run.yaml", LINK),
    "a directory for run.yaml": (f"{place(3)}/run.yaml/x", "100644"),
    "a file for the artifacts": (f"{place(3)}/artifacts", "100644"),
    "a symlink among the artifacts": (f"{place(3)}/artifacts/a/b", LINK),
    "a submodule among the artifacts": (f"{place(3)}/artifacts/a/b", SUBMODULE),
    "a backslash": (f"{place(3)}/artifacts/..\\x", "100644"),
    "a control character": (f"{place(3)}/artifacts/a\x1b[0m", "100644"),
}


@pytest.mark.parametrize("where", HOSTILE)
def test_what_does_not_belong_is_refused_by_name_and_the_rest_is_taken(states: States, git: Git, where: str) -> None:
    path, mode = HOSTILE[where]
    base = states.commit(run_files(0))
    well = states.commit({**run_files(1), f"{place(4)}/artifacts/a/c": b"1"}, base)
    source = well if mode == SUBMODULE else str(states.repo.resolve(f"{well}:{head(1)}"))
    theirs = states.entries([Change(path, source, mode)], well)
    taken = [f"{place(4)}/artifacts/a/c", head(0), head(1)]
    assert states.paths(merge(states.repo, None, theirs, ANA, source="x").commit) == sorted(taken)
    found = states.merged(states.commit(run_files(2), base), theirs)
    assert states.paths(found.commit) == sorted([*taken, head(2)])
    [refused] = found.refused
    assert path.startswith(refused.path)
    assert refused.path.startswith("README" if path == "README.md" else "experiments/")
    assert f"- refused {refused.path}: " in git("log", "-1", "--format=%b", found.commit) or "\x1b" in path
    # It is refused as long as it is there, and what comes beside it is taken.
    later = states.commit(run_files(7), theirs)
    again = states.merged(found.commit, later)
    assert states.paths(again.commit) == sorted([*taken, head(2), head(7)])


def test_a_directory_that_became_a_file_loses_no_runs(states: States) -> None:
    base = states.commit({**run_files(0), **run_files(1)})
    for path in ("experiments", "experiments/default", place(0)[:-33], place(0)):
        theirs = states.commit({path: b"x"}, base)
        for found in (states.merged(base, theirs), states.merged(states.commit(run_files(2), base), theirs)):
            assert {head(0), head(1)} <= set(states.paths(found.commit))
            assert [one.path for one in found.refused] == [path]


def raw_tree(git: Git, states: States, entries: list[tuple[str, str, str]]) -> str:
    """Write a tree as git itself would not."""
    data = b"".join(f"{mode} {name}\0".encode() + bytes.fromhex(oid) for mode, name, oid in entries)
    out = states.repo.run("hash-object", "-t", "tree", "-w", "--stdin", "--literally", stdin=data)
    return out.decode().strip()


@pytest.mark.parametrize("name", ["..", ".git", "a/b", "."])
def test_trees_that_git_would_not_write_are_refused(states: States, git: Git, name: str) -> None:
    blob = git("hash-object", "-w", "--stdin", stdin="x")
    base = states.commit(run_files(0))
    inner = raw_tree(git, states, [("100644", name, blob), ("100644", "well", blob)])
    theirs = states.entries([Change(f"{place(3)}/artifacts", inner, "040000")], base)
    found = states.merged(base, theirs)
    assert states.paths(found.commit) == [head(0), f"{place(3)}/artifacts/well"]
    assert [one.path for one in found.refused] == [f"{place(3)}/artifacts/{name}"]


def test_a_name_that_is_there_twice_is_refused(states: States, git: Git) -> None:
    blob, other = (git("hash-object", "-w", "--stdin", stdin=text) for text in "xy")
    inner = raw_tree(git, states, [("100644", "run.yaml", blob), ("100644", "run.yaml", other)])
    theirs = states.entries([Change(place(3), inner, "040000")], states.commit(run_files(0)))
    found = states.merged(None, theirs)
    assert states.paths(found.commit) == [head(0), head(3)]
    assert found.refused == (Refused(f"{place(3)}/run.yaml", "a name that is there twice"),)


def test_a_tree_that_stands_for_more_files_than_there_can_be_is_refused(states: States, git: Git) -> None:
    tree = raw_tree(git, states, [("100644", "f", git("hash-object", "-w", "--stdin", stdin="x"))])
    for _ in range(8):
        tree = raw_tree(git, states, [("40000", f"d{number}", tree) for number in range(10)])
    theirs = states.entries([Change(f"{place(3)}/artifacts", tree, "040000")], states.commit(run_files(0)))
    found = states.merged(None, theirs)
    assert states.paths(found.commit) == [head(0)]
    assert [one.path for one in found.refused] == [place(3)]


Steps = st.lists(
    st.tuples(st.sampled_from(["edit", "edit", "history", "remove", "move"]), st.integers(0, 4), st.integers(0, 3)),
    max_size=4,
)


def side(states: States, base: str, steps: list[tuple[str, int, int]]) -> str:
    """Carry edits out one by one, as a clone does."""
    tip = base
    for at, (what, number, value) in enumerate(steps):
        here = next((path for path in states.paths(tip) if path.endswith(f"{run_id(number)}/run.yaml")), head(number))
        top = here.rpartition("/")[0]
        files: dict[str, bytes | None] = {here: b"name: x\nn: %d\ntags:\n  t%d: %d\n" % (number, value % 2, value)}
        if what == "history":
            files = {here: RUN, f"{top}/history.yaml": b'- {"step": %d, "time": %d.5}\n' % (value, at)}
        elif what == "remove":
            files = {top: None}
        elif what == "move":
            files = {top: None, f"{place(number, f'e{value}')}/run.yaml": RUN}
        tip = states.commit(files, tip, seconds=at + value)
    return tip


@given(one=Steps, two=Steps)
@examples(10)
def test_any_two_sides_come_to_the_same_and_lose_no_run(
    shared: States, one: list[tuple[str, int, int]], two: list[tuple[str, int, int]]
) -> None:
    base = shared.commit({**run_files(0), **run_files(1), **run_files(2)})
    found = shared.merged(side(shared, base, one), side(shared, base, two))
    ids = [path.split("/")[3] for path in shared.paths(found.commit) if path.endswith("/run.yaml")]
    assert len(ids) == len(set(ids))
    steps = [*one, *two]
    gone = {number for what, number, _ in steps if what == "remove"}
    known = {0, 1, 2, *(number for what, number, _ in steps if what != "remove")}
    assert {run_id(number) for number in known - gone} <= set(ids)


@given(st.lists(st.sets(st.integers(0, 40), max_size=4), min_size=3, max_size=3))
@examples(10)
def test_in_which_order_three_sides_are_merged_does_not_matter(shared: States, added: list[set[int]]) -> None:
    base = shared.commit(run_files(99))
    one, two, three = (
        shared.commit({k: v for n in mine for k, v in run_files(n).items()}, base, seconds=at)
        for at, mine in enumerate(added)
    )
    left = merge(shared.repo, merge(shared.repo, one, two, ANA, source="x").commit, three, ANA, source="x").commit
    right = merge(shared.repo, one, merge(shared.repo, two, three, ANA, source="x").commit, ANA, source="x").commit
    assert shared.tree(left) == shared.tree(right)
    assert shared.paths(left) == sorted(head(number) for number in {99, *added[0], *added[1], *added[2]})


Story = st.lists(
    st.one_of(
        st.tuples(st.just("edit"), st.integers(0, 2), st.integers(0, 2)),
        st.tuples(st.just("new"), st.integers(0, 2), st.integers(0, 2)),
        st.tuples(st.just("pull"), st.integers(0, 2), st.integers(0, 2)),
    ),
    max_size=10,
)


@given(story=Story)
@examples(12)
def test_clones_that_pull_from_each_other_in_any_order_come_to_the_same(
    shared: States, story: list[tuple[str, int, int]]
) -> None:
    tips = [shared.commit({head(number): b"name: x\n" for number in range(3)})] * 3
    made = {0, 1, 2}
    for at, (what, who, other) in enumerate(story):
        if what == "pull":
            tips[who] = merge(shared.repo, tips[who], tips[other], ANA, source=str(other)).commit
        elif what == "new":
            made.add(10 + at)
            tips[who] = shared.commit(run_files(10 + at), tips[who], seconds=at)
        else:
            before = shared.file(tips[who], head(other)) or b""
            files = {head(other): before + b"by%d-%d: 1\n" % (who, at)}
            tips[who] = shared.commit(files, tips[who], seconds=at)
    for who, other in ((0, 1), (0, 2), (2, 1), (1, 0), (2, 0), (1, 2), (0, 1)):
        tips[who] = merge(shared.repo, tips[who], tips[other], ANA, source=str(other)).commit
    assert shared.tree(tips[0]) == shared.tree(tips[1]) == shared.tree(tips[2])
    assert shared.paths(tips[0]) == sorted(head(number) for number in made)
    for at, (what, who, other) in enumerate(story):
        if what == "edit":
            assert b"by%d-%d: 1\n" % (who, at) in (shared.file(tips[0], head(other)) or b"")


def test_what_is_damaged_in_a_run_is_taken_as_it_is(states: States) -> None:
    bomb = b"a: &a [x, x]\n" + b"".join(b"b%d: &b%d [*a, *a]\n" % (n, n) for n in range(40))
    base = states.commit(run_files(0))
    ours = states.commit(run_files(1), base)
    theirs = states.commit({head(2): bomb, f"{place(2)}/params.yaml": b"\xff" * 1000}, base)
    found = states.merged(ours, theirs)
    assert (found.refused, found.conflicts) == ((), ())
    assert states.file(found.commit, head(2)) == bomb
