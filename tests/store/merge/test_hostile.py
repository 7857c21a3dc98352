"""Whatever another clone's branch holds, ours takes the runs of it that are well-formed, and nothing else."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gtrack.errors import InvalidName, InvalidPath
from gtrack.formats.names import check_artifact_path, check_experiment, decode_experiment, encode_experiment
from gtrack.store.merge.merge import merge
from tests.conftest import examples
from tests.store.merge.conftest import ANA, States, run_id

FILES = {"run.yaml", "params.yaml", "history.yaml", "output.log"}
ODD = ["..", ".", ".git", ".GIT ", "git~1", "a/b", "a\\b", "\x1b[1m", "x\ny", '"q', "c:", "\udcff", "con", "x" * 300]
RIGHT = st.sampled_from(["100644", "100755", "40000"])
MODES = st.one_of(RIGHT, RIGHT, RIGHT, st.sampled_from(["120000", "160000", "040000", "100600", "7"]))
LEVELS = [
    ["experiments", "experiments", "README.md"],
    ["default", "a%2Fb", "%2e%2e", "de%66ault", "a"],
    ["00", "01", "experiment.yaml", "0", "zz"],
    [run_id(0), run_id(1), run_id(16), "abc"],
    ["run.yaml", "params.yaml", "artifacts", "history.yaml"],
    ["a", "b", ".gitattributes"],
]
SAID = b"name: x\n"


def trees(level: int) -> st.SearchStrategy[Any]:
    """Draw the entries of a tree: name, mode, and what is in it when it is a directory."""
    if level == len(LEVELS):
        return st.just([])
    usual = st.sampled_from(LEVELS[level])
    names = st.one_of(usual, usual, usual, usual, st.sampled_from([*ODD, *(one for some in LEVELS for one in some)]))
    below = st.lists(st.tuples(names, MODES, st.deferred(lambda: trees(level + 1))), max_size=3)
    return below.map(lambda drawn: [one if one[2] or one[1] != "40000" else (one[0], "100644", []) for one in drawn])


class Writer:
    """Writes trees as git itself would not."""

    def __init__(self, states: States) -> None:
        self.repo = states.repo
        with_blob = states.commit({"x": SAID})
        self.blob = str(self.repo.resolve(f"{with_blob}:x"))
        self.commit = with_blob

    def tree(self, entries: Any) -> str:
        data = b""
        for name, mode, inside in entries:
            oid = self.tree(inside) if mode in {"40000", "040000"} else self.commit if mode == "160000" else self.blob
            data += f"{mode} {name}\0".encode(errors="surrogateescape") + bytes.fromhex(oid)
        out = self.repo.run("hash-object", "-t", "tree", "-w", "--stdin", "--literally", stdin=data)
        return out.decode().strip()


def is_well_formed(path: str, mode: str) -> bool:
    match = re.fullmatch(
        r"experiments/([^/]+)/(?:(experiment\.yaml)|([0-9a-f]{2})/(\3[0-9a-f]{30})/(.+))", path, re.DOTALL
    )
    if match is None or mode not in {"100644", "100755"}:
        return False
    name, _, _, _, inside = match.groups()
    try:
        assert encode_experiment(check_experiment(decode_experiment(name))) == name
        return inside is None or check_artifact_path(inside) == inside
    except (InvalidName, InvalidPath):
        return False


def listing(states: States, commit: str) -> dict[str, str]:
    rows = states.repo.run("ls-tree", "-r", "-z", commit).decode(errors="surrogateescape").split("\0")
    return {path: facts.split()[0] for facts, path in (row.split("\t", 1) for row in rows if row)}


@given(inside=trees(0), whole=st.sets(st.sampled_from([2, 3, 17]), min_size=1))
@examples(10)
def test_any_tree_gives_its_well_formed_runs_and_nothing_else(shared: States, inside: Any, whole: set[int]) -> None:
    writer = Writer(shared)
    # Three runs that nobody disturbs: in an experiment of their own, where the tree drawn has none.
    shards: dict[str, list[Any]] = {}
    for number in whole:
        shards.setdefault(run_id(number)[:2], []).append((run_id(number), "40000", [("run.yaml", "100644", [])]))
    own = ("whole", "40000", [(digits, "40000", sorted(runs)) for digits, runs in sorted(shards.items())])
    others = [one for one in inside if one[0] != "experiments"]
    tops = [one for one in inside if one[0] == "experiments" and one[1] == "40000"]
    experiments = ("experiments", "40000", [*(tops[0][2] if tops else []), own])
    with_tree = shared.repo.run("commit-tree", writer.tree([*others, experiments]), "-m", "x").decode().strip()
    ours = shared.commit({f"experiments/mine/05/{run_id(5)}/run.yaml": SAID})
    for begin in (None, ours):
        found = merge(shared.repo, begin, with_tree, ANA, source="x")
        paths = listing(shared, found.commit)
        assert [path for path, mode in paths.items() if not is_well_formed(path, mode)] == []
        ids = {path.split("/")[3] for path in paths if path.count("/") > 2}
        assert {run_id(number) for number in whole} | ({run_id(5)} if begin else set()) <= ids
    back = merge(shared.repo, with_tree, ours, ANA, source="x")
    assert [path for path, mode in listing(shared, back.commit).items() if not is_well_formed(path, mode)] == []
