from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gtrack.errors import FormatError
from gtrack.formats.history import parse_rows
from gtrack.launch.metrics_file import MetricsFile, parse_metrics
from gtrack.project import Project
from gtrack.records import Number
from gtrack.writer import ActiveRun

Rows = list[tuple[Number, dict[str, Number]]]


@pytest.mark.parametrize(
    ("name", "text", "plain", "rows", "left_out"),
    [
        ("m.json", '{"acc": 0.1234567890123456, "n": 3}', {"acc": 0.1234567890123456, "n": 3}, [], []),
        ("m.json", '{"val": {"loss": 1e-5}}', {"val.loss": 1e-05}, [], []),
        ("m.json", '{"acc": 1, "model": "rf", "ok": true, "none": null}', {"acc": 1}, [], ["model", "ok", "none"]),
        (
            "m.json",
            '{"loss": [3, 2.5, 2], "acc": [0.5]}',
            {},
            [(0, {"loss": 3, "acc": 0.5}), (1, {"loss": 2.5}), (2, {"loss": 2})],
            [],
        ),
        ("m.json", '{"epoch": [1, 2], "loss": [3, 2]}', {}, [(1, {"loss": 3}), (2, {"loss": 2})], []),
        (
            "m.json",
            '[{"step": 10, "loss": 3}, {"step": 20, "loss": 2}]',
            {},
            [(10, {"loss": 3}), (20, {"loss": 2})],
            [],
        ),
        ("m.json", '[{"val": {"loss": 3}}]', {}, [(0, {"val.loss": 3})], []),
        ("m.json", "{}", {}, [], []),
        ("m.yaml", "acc: 0.5\nval:\n  loss: 1e-5\n", {"acc": 0.5, "val.loss": 1e-05}, [], []),
        ("m.txt", "acc: 0.5\n", {"acc": 0.5}, [], []),
        (
            "m.csv",
            "epoch,loss,acc\n1,0.5,0.8\n2,0.25,\n",
            {},
            [(1, {"loss": 0.5, "acc": 0.8}), (2, {"loss": 0.25})],
            [],
        ),
        ("m.csv", "loss\n0.5\n1\n", {}, [(0, {"loss": 0.5}), (1, {"loss": 1})], []),
        ("m.csv", "\ufeffepoch, loss ,name\r\n1,-inf,a\r\n", {}, [(1, {"loss": float("-inf")})], ["name"]),
        ("m.csv", "Epoch,step,time,loss\n0,5,1.5,2\n", {}, [(5, {"Epoch": 0, "time_value": 1.5, "loss": 2})], []),
        ("m.csv", "loss\n", {}, [], []),
        ("m.csv", "", {}, [], []),
        ("m.tsv", "step\tloss\n7\t1\n", {}, [(7, {"loss": 1})], []),
    ],
)
def test_formats(name: str, text: str, plain: dict[str, Number], rows: Rows, left_out: list[str]) -> None:
    table = parse_metrics(text.encode(), name)
    assert (table.plain, table.rows, list(table.left_out)) == (plain, rows, left_out)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("m.json", b"{"),
        ("m.json", b"\xff\xfe\xfa"),
        ("m.json", b"[" * 100_000),
        ("m.json", b"5"),
        ("m.json", b"[1, 2]"),
        ("m.yaml", b"a: ["),
        ("m.csv", b"a,b\n\xff,1\n"),
        ("m.csv", b'a,b\n"1,2\n'),
    ],
)
def test_what_is_not_what_its_name_says(name: str, data: bytes) -> None:
    with pytest.raises(FormatError, match=f"The metrics file {name}"):
        parse_metrics(data, name)


@pytest.fixture
def run(repo: Path) -> Iterator[ActiveRun]:
    project = Project.open(repo)
    run = ActiveRun.start(project)
    yield run
    run.end()
    project.repo.objects.close()


def test_it_is_logged(run: ActiveRun, repo: Path) -> None:
    file = MetricsFile(repo / "m.json", "m.json")
    (repo / "m.json").write_text('{"loss": [3, 2], "acc": 0.5}')
    assert file.log(run) == []
    rows, _, _ = parse_rows(run.live.read("history.yaml") or b"")
    assert [(row["step"], row["loss"]) for row in rows] == [(0, 3), (1, 2)]
    assert run.record().metrics == {"loss": 2, "acc": 0.5}


def test_a_missing_one_is_said(run: ActiveRun, repo: Path) -> None:
    assert MetricsFile(repo / "m.json", "m.json").log(run) == ["The metrics file m.json was not written."]


def test_one_of_an_earlier_run_is_not_taken_for_new(run: ActiveRun, repo: Path) -> None:
    (repo / "m.json").write_text('{"acc": 0.5}')
    file = MetricsFile(repo / "m.json", "m.json")
    [notice] = file.log(run)
    assert "from before this run" in notice
    os.utime(repo / "m.json", (1, 1))
    assert file.log(run) == []
    assert run.record().metrics == {"acc": 0.5}


def test_trouble_is_said_and_nothing_else_happens(run: ActiveRun, repo: Path) -> None:
    files = [MetricsFile(repo / name, name) for name in ("bad.json", "text.json", "dir.json")]
    (repo / "bad.json").write_text("{")
    (repo / "text.json").write_text('{"a": "b"}')
    (repo / "dir.json").mkdir()
    bad, text, directory = [file.log(run) for file in files]
    assert "not valid JSON" in bad[0]
    assert text == ["text.json: no numbers, and so no metrics: a."]
    assert directory == ["The metrics file dir.json cannot be read: Is a directory."]
    assert run.record().metrics == {}
