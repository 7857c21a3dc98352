"""Two people, two machines, one git host: their whole day, by the commands that they type."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.conftest import run_git
from tests.end_to_end.command import Workplace

SETTINGS = """\
system: {{interval_seconds: 0}}
artifacts: {{lfs: ["*.ckpt"], remote: "file://{store}"}}
retention:
  rules:
    - {{name: paper, tag: paper, do: keep}}
    - {{name: scratch, experiment: "scratch*"}}
"""
TRAIN = """
import os
import gtrack

LR = 0.1
with open("weights.ckpt", "wb") as file:
    file.write(repr(LR).encode() * 1000)
gtrack.log_artifact("weights.ckpt")
os.remove("weights.ckpt")
gtrack.log_metric("f1", 1 - LR)
"""


class Person(Workplace):
    """Somebody with a clone of their own."""

    def does(self, *words: str) -> str:
        done = self.gtrack(*words)
        assert done.returncode == 0, f"gtrack {' '.join(words)} said {done.returncode}: {done.stderr}"
        return done.stdout + done.stderr

    def asks(self, *words: str) -> Any:
        return json.loads(self.gtrack(*words, "--json").stdout)

    def runs_known(self) -> dict[str, float]:
        """Return run id to learning rate of all runs that are listed."""
        return {run["id"]: run["params"]["LR"] for run in self.asks("ls", "-n", "0")}

    def run_of(self, rate: float) -> str:
        [found] = [run_id for run_id, known in self.runs_known().items() if known == rate]
        return found

    def tree(self) -> str:
        return run_git("rev-parse", "gtrack/runs^{tree}", cwd=self.root)


def test_a_day_of_two_people(repo: Path, tmp_path: Path) -> None:
    ana, ben = meet(repo, tmp_path)
    both_run(ana, ben)
    both_edit_one_run(ana, ben)
    ben.does("get", ana.run_of(0.125), "weights.ckpt", "-o", "fetched")
    assert (ben.root / "fetched" / "weights.ckpt").read_bytes() == b"0.125" * 1000
    one_cleans_up_and_the_other_wants_it_back(ana, ben)
    for person in (ana, ben):
        person.does("verify", "--all")
    who = {(one["who"].split(" <")[0], one["action"]) for one in ana.asks("audit", "-n", "0")}
    assert {("Ana", "created"), ("Ben", "created"), ("Ana", "removed"), ("Ben", "restored")} <= who


def meet(repo: Path, tmp_path: Path) -> tuple[Person, Person]:
    """Ana has run something, and Ben clones that from their host."""
    host = tmp_path / "host.git"
    (tmp_path / "store").mkdir()
    ana = Person(repo)
    ana.write("train.py", TRAIN)
    ana.write(".gtrack/config.yaml", SETTINGS.format(store=tmp_path / "store"))
    run_git("add", ".", cwd=repo)
    run_git("commit", "--quiet", "--message", "Train", cwd=repo)
    run_git("clone", "--quiet", "--bare", str(repo), str(host), cwd=tmp_path)
    run_git("config", "uploadpack.allowFilter", "true", cwd=host)
    run_git("remote", "add", "origin", f"file://{host}", cwd=repo)
    ana.does("run", "train.py", "--param", "LR=0.5")
    assert "1 run" in ana.does("push")
    ana.does("-C", str(tmp_path), "clone", f"file://{host}", "ben")
    ben = Person(tmp_path / "ben")
    run_git("config", "user.name", "Ben", cwd=ben.root)
    run_git("config", "user.email", "ben@example.org", cwd=ben.root)
    assert list(ben.runs_known().values()) == [0.5]
    return ana, ben


def both_run(ana: Person, ben: Person) -> None:
    ben.does("run", "train.py", "--param", "LR=0.25")
    ben.does("run", "train.py", "--param", "LR=0.3", "--experiment", "scratch")
    ana.does("run", "train.py", "--param", "LR=0.125")
    ana.does("tag", "best:f1", "paper=yes")
    ben.does("push")
    assert "merged 2 runs" in ana.does("sync").lower()
    ben.does("pull")
    assert ana.runs_known() == ben.runs_known()
    assert sorted(ana.runs_known().values()) == [0.125, 0.25, 0.3, 0.5]
    assert ana.tree() == ben.tree()


def both_edit_one_run(ana: Person, ben: Person) -> None:
    best = ana.run_of(0.125)
    ana.does("tag", best, "reviewed=yes")
    ben.does("note", best, "Too good to be true?")
    ben.does("push")
    ana.does("sync")
    ben.does("pull")
    for person in (ana, ben):
        told = person.asks("show", best)
        assert told["tags"] == {"paper": "yes", "reviewed": "yes"}
        assert told["notes"] == "Too good to be true?"


def one_cleans_up_and_the_other_wants_it_back(ana: Person, ben: Person) -> None:
    scratch = ana.run_of(0.3)
    assert "scratch" in ana.does("gc")
    ana.does("gc", "--apply")
    ana.does("push")
    ben.does("pull")
    assert scratch not in ben.runs_known()
    ben.does("restore", scratch)
    ben.does("pin", scratch)
    ben.does("push")
    ana.does("pull")
    ana.does("gc", "--apply")
    assert scratch in ana.runs_known()
