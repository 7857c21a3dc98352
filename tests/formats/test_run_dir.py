"""The files of a run directory: written, read again, and read when newer, damaged or torn."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gtrack.errors import FormatError
from gtrack.formats import run_dir
from gtrack.formats.history import RowEncoder
from gtrack.formats.run_dir import (
    decode_experiment,
    decode_inputs,
    decode_run,
    encode_experiment,
    encode_inputs,
    encode_run,
)
from gtrack.formats.yamlio import dumps
from gtrack.records import (
    CodeState,
    Experiment,
    Goal,
    Input,
    LeftOut,
    MetricDefinition,
    Run,
    Status,
    Summary,
)

GOLDEN = Path(__file__).parents[1] / "golden"
ID = "6f1c2a9be0d24c51a5b7c0f3d2e4a6b8"
START = datetime(2026, 11, 22, 19, 40, 1, 123456, tzinfo=timezone.utc)

PARAMS: dict[str, Any] = {
    "n_estimators": 100,
    "lr": 1e-05,
    "criterion": "gini",
    "bootstrap": True,
    "max_depth": None,
    "answer": "no",
    "version": "1.0",
    "optimizer": {"name": "adam", "betas": [0.9, 0.999], "schedule": {"steps": [10, 20, 30], "gamma": 0.1}},
    "layers": [{"kind": "dense", "units": 64}, {"kind": "dropout", "rate": 0.5}],
    "empty": {},
    "doc": "two\nlines",
}
METRICS: dict[str, Any] = {
    "accuracy": 0.9666666666666667,
    "val/loss": 1e-07,
    "steps": 300,
    "diverged": math.nan,
    "best": -math.inf,
}
INPUTS = (
    Input(
        name="train",
        digest="sha256:" + "ab" * 32,
        kind="dataframe",
        source="s3://bucket/train.parquet",
        size=4096,
        rows=150,
        columns=2,
        schema={"sepal length (cm)": "float64", "target": "int64"},
    ),
    Input(name="labels.csv", digest="sha256:" + "0" * 64, kind="file", source="data/labels.csv", size=0),
)
RUN = Run(
    id=ID,
    name="calm-otter-12",
    experiment="RandomForest_Classification",
    status=Status.FAILED,
    started=START,
    ended=START + timedelta(seconds=1.880644),
    parent="0123456789abcdef0123456789abcdef",
    user="Ana <ana@example.org>",
    host="box",
    command=("python", "experiments/random_forest/train.py", "--lr", "1e-5", "é x"),
    exit_code=1,
    code=CodeState(
        commit="1" * 39 + "a",
        head="2" * 39 + "b",
        branch="feature/x",
        dirty=True,
        remote="git@example.org:team/repo.git",
        left_out=(LeftOut("data/big.bin", 20_000_000, "cd" * 32), LeftOut("socket", 0, "")),
    ),
    tags={"team": "risk", "yes": "no", "ticket": "42"},
    notes="First try.\n\n  - indented\nLast line without an end",
    metric_definitions={"val/loss": MetricDefinition(Summary.MIN, Goal.MINIMIZE), "steps": MetricDefinition()},
    warnings=("2 paths are not in the code snapshot: data/big.bin, socket.",),
    params=PARAMS,
    metrics=METRICS,
    inputs=INPUTS,
)
EXPERIMENT = Experiment(
    name="RandomForest_Classification",
    created=START,
    purpose="Which forest is good enough?",
    tags={"team": "risk"},
    objective=("f1", Goal.MAXIMIZE),
)


def rows() -> bytes:
    encoder = RowEncoder()
    return b"".join(
        [
            encoder.encode(0, START.timestamp(), {"loss": 0.6931471805599453, "val/loss": 0.7012}),
            encoder.encode(1, START.timestamp() + 0.5, {"loss": 1e-05, "n": 3}),
            encoder.encode(2.5, START.timestamp() + 1, {"loss": math.nan, "val/loss": math.inf}),
        ]
    )


def files(run: Run) -> dict[str, bytes]:
    return {
        run_dir.RUN: encode_run(run),
        run_dir.PARAMS: dumps(run.params).encode(),
        run_dir.METRICS: dumps(run.metrics).encode(),
        run_dir.INPUTS: encode_inputs(run.inputs),
        run_dir.HISTORY: rows(),
        run_dir.EXPERIMENT: encode_experiment(EXPERIMENT),
    }


def read(run: Run, /, **changed: bytes | None) -> Callable[[str], bytes | None]:
    """Read the files of ``run``, some of them changed: ``metrics=b"…"`` is another ``metrics.yaml``."""
    held: dict[str, bytes | None] = {**files(run), **{f"{name}.yaml": data for name, data in changed.items()}}
    return held.get


def without_nan(run: Run) -> Run:
    return replace(run, metrics={name: repr(value) for name, value in run.metrics.items()})  # type: ignore[misc]


@pytest.mark.parametrize("name", [*files(RUN), "run-minimal.yaml"])
def test_golden(name: str) -> None:
    minimal = Run(id=ID, name="calm-otter-12", experiment="default", status=Status.RUNNING, started=START)
    found = encode_run(minimal) if name == "run-minimal.yaml" else files(RUN)[name]
    assert found.decode() == (GOLDEN / "run_dir" / name).read_text(encoding="utf-8")


def test_a_run_round_trips() -> None:
    found = decode_run(read(RUN), ID, RUN.experiment)
    assert without_nan(found) == without_nan(RUN)
    assert list(found.params) == list(PARAMS)


def test_pyyaml_reads_the_same_facts() -> None:
    for name, data in files(RUN).items():
        found = yaml.safe_load(data)
        assert found, name
    head = yaml.safe_load(encode_run(RUN))
    assert head["started"] == START
    assert head["tags"] == RUN.tags
    assert head["notes"] == RUN.notes
    assert head["schema"] == 1
    assert repr(yaml.safe_load(dumps(PARAMS))) == repr(PARAMS)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
optional = st.none() | texts.filter(bool)
moments = st.none() | st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(timezone.utc))  # noqa: DTZ001
tags = st.dictionaries(texts, texts, max_size=3)
codes = st.builds(
    CodeState,
    commit=optional,
    head=optional,
    branch=optional,
    dirty=st.booleans(),
    remote=optional,
    left_out=st.lists(st.builds(LeftOut, texts, st.integers(0, 2**60), texts), max_size=2).map(tuple),
)
definitions = st.builds(MetricDefinition, st.sampled_from(Summary), st.none() | st.sampled_from(Goal))
inputs = st.builds(
    Input,
    name=texts,
    digest=texts,
    kind=texts,
    source=optional,
    size=st.none() | st.integers(0, 2**60),
    rows=st.none() | st.integers(0, 2**60),
    columns=st.none() | st.integers(0, 2**60),
    schema=tags,
)
runs = st.builds(
    Run,
    id=st.just(ID),
    name=texts.filter(bool),
    experiment=texts.filter(bool),
    status=st.sampled_from(Status),
    started=moments,
    ended=moments,
    parent=optional,
    user=optional,
    host=optional,
    command=st.lists(texts, max_size=4).map(tuple),
    exit_code=st.none() | st.integers(-255, 255),
    code=codes,
    tags=tags,
    notes=st.none() | texts,
    params=st.dictionaries(texts.filter(bool), st.one_of(st.integers(), st.booleans(), texts, tags), max_size=4),
    metrics=st.dictionaries(texts.filter(bool), st.integers() | st.floats(allow_nan=False), max_size=4),
    metric_definitions=st.dictionaries(texts, definitions, max_size=2),
    inputs=st.lists(inputs, max_size=2, unique_by=lambda one: one.name).map(tuple),
    warnings=st.lists(texts, max_size=2).map(tuple),
)


@given(runs)
def test_any_run_round_trips(run: Run) -> None:
    assert decode_run(read(run), ID, run.experiment) == run


@given(runs)
def test_any_run_round_trips_through_a_live_directory(run: Run) -> None:
    assert decode_run(read(run), ID, "", live=True) == replace(run, live=True)


experiments = st.builds(
    Experiment,
    name=texts.filter(bool),
    created=moments,
    purpose=optional,
    tags=tags,
    objective=st.none() | st.tuples(texts.filter(bool), st.sampled_from(Goal)),
)


@given(experiments)
def test_any_experiment_round_trips(experiment: Experiment) -> None:
    assert decode_experiment(encode_experiment(experiment), experiment.name) == experiment


def test_an_experiment_with_nothing_to_read() -> None:
    assert decode_experiment(None, "churn") == decode_experiment(b"", "churn") == Experiment("churn")
    with pytest.raises(FormatError, match=r"experiment\.yaml of churn"):
        decode_experiment(b"- 1", "churn")
    odd = decode_experiment(b"created: soon\npurpose: [1]\ntags: 5\nobjective: {goal: maximize}\n", "churn")
    assert odd == Experiment("churn")
    assert decode_experiment(b"objective: {metric: f1, goal: up}\n", "churn").objective == ("f1", Goal.MAXIMIZE)


def test_unknown_keys_do_no_harm() -> None:
    more = encode_run(RUN) + b"resumed: [{at: 2026-01-01}]\nfuture: {a: 1}\n"
    found = decode_run(read(RUN, run=more, inputs=b"x: {digest: d, kind: file, future: 1}\n"), ID, RUN.experiment)
    assert found.problems == ()
    assert found.inputs == (Input("x", "d", "file"),)


def test_a_newer_schema_is_read_as_far_as_possible_and_says_so() -> None:
    newer = encode_run(RUN).replace(b"schema: 1", b"schema: 7").replace(b"status: failed", b"status: paused")
    found = decode_run(read(RUN, run=newer), ID, RUN.experiment)
    assert (found.name, found.schema, found.status) == (RUN.name, 7, Status.KILLED)
    assert found.problems == (
        "written by a newer gtrack (schema 7); read as far as schema 1 goes.",
        "run.yaml has the unknown status 'paused'.",
    )


@pytest.mark.parametrize(
    "data", [b"\xff\xfe\x00", b"a: [", b"- 1", b"\x00" * 200, b"text", b"a: !!binary x", b"[" * 5000]
)
@pytest.mark.parametrize("name", ["run", "params", "metrics", "inputs"])
def test_a_damaged_file_is_a_problem_and_the_rest_is_read(name: str, data: bytes) -> None:
    found = decode_run(read(RUN, **{name: data}), ID, "churn")
    assert len(found.problems) == 1
    assert found.problems[0].startswith(f"{name}.yaml ")
    assert found.id == ID
    whole = decode_run(read(RUN), ID, "churn")
    for other, field in (("params", "params"), ("metrics", "metrics"), ("inputs", "inputs"), ("run", "name")):
        if other != name:
            assert repr(getattr(found, field)) == repr(getattr(whole, field))


def test_nothing_at_all() -> None:
    found = decode_run(lambda _: None, ID, "")
    assert (found.name, found.experiment, found.status) == (ID[:8], "default", Status.KILLED)
    assert found.problems == ("run.yaml is missing.",)


def test_values_of_the_wrong_kind_are_left_out() -> None:
    head = (
        f"id: {ID}\nname: [x]\nstatus: finished\nstarted: 5\nended: never\ncommand: python\nexit_code: one\n"
        "code: text\ntags: [a]\nnotes: {a: 1}\nmetric_definitions: 5\nwarnings: {}\nschema: one\n"
    ).encode()
    metrics = b"good: 1\ntext: abc\nlist: [1]\nflag: true\nnone:\n"
    found = decode_run(read(RUN, run=head, metrics=metrics, inputs=b"a: 5\nb: {rows: true, size: x}\n"), ID, "churn")
    assert (found.name, found.started, found.command, found.exit_code) == (ID[:8], None, (), None)
    assert (found.code, found.tags, found.notes, found.warnings) == (CodeState(), {}, None, ())
    assert found.metrics == {"good": 1}
    assert [re.findall(r"'(\w+)'", problem)[0] for problem in found.problems] == ["text", "list", "flag", "none"]
    assert found.inputs == (Input("b", "", ""),)


def test_another_id_in_the_file_is_said() -> None:
    other = encode_run(replace(RUN, id="0" * 32))
    found = decode_run(read(RUN, run=other), ID, "churn")
    assert found.id == ID
    assert found.problems == (f"run.yaml names another run, '{'0' * 32}'.",)


def test_hand_edited_tags_are_text() -> None:
    head = encode_run(RUN) + b"tags: {version: 1.0, n: 5, none: }\n"
    assert decode_run(read(RUN, run=head), ID, "x").tags == {"version": "1.0", "n": "5", "none": ""}


def test_a_damaged_flat_file_gives_its_good_lines() -> None:
    params = b"lr: 0.1\nopt: {a: [\nname: forest\n\x00\x00\nepochs: 5\n"
    found = decode_run(read(RUN, params=params), ID, "churn")
    assert found.params == {"lr": 0.1, "name": "forest", "epochs": 5}
    assert len(found.problems) == 1


def live(run: Run = RUN, /, **changed: bytes | None) -> Run:
    return decode_run(read(run, **changed), ID, "", live=True)


def test_a_live_parameter_counts_as_it_was_said_last() -> None:
    found = live(params=b'lr: 0.1\nopt: {"lr": 1}\nlr: 0.2\nopt: {"lr": 1, "m": 2}\n')
    assert found.params == {"lr": 0.2, "opt": {"lr": 1, "m": 2}}
    assert (found.live, found.problems) == (True, ())


def test_a_line_that_was_cut_off_is_lost_and_said() -> None:
    found = live(params=b"epochs: 5\nsteps: 10", metrics=b"loss: 0.5\nloss: 0.1\nacc: 0.")
    assert found.params == {"epochs": 5}
    assert found.metrics == {"loss": 0.1}
    assert set(found.problems) == {f"{name}.yaml: the last line was cut off." for name in ("params", "metrics")}


def test_a_committed_file_may_end_without_a_line_break() -> None:
    found = decode_run(read(RUN, params=b"epochs: 5"), ID, "churn")
    assert (found.params, found.problems) == ({"epochs": 5}, ())


def test_live_metrics_torn_at_every_byte() -> None:
    data = b'loss: 0.25\n"n: \\"x": -3\nbig: 1.0e-07\nbad: .nan\nworse: -.inf\n'
    whole = live(metrics=data).metrics
    assert repr(whole) == repr({"loss": 0.25, 'n: "x': -3, "big": 1e-07, "bad": math.nan, "worse": -math.inf})
    for cut in range(len(data)):
        found = live(metrics=data[:cut])
        assert list(found.metrics) == list(whole)[: data[:cut].count(b"\n")]
        assert bool(found.problems) == (not data[:cut].endswith(b"\n") and cut > 0)


def test_live_metrics_are_summed_up_as_defined() -> None:
    data = b"low: 3\nlow: 1\nlow: 2\nhigh: 3\nhigh: .nan\nhigh: 5\nhigh: 4\nlast: 1\nlast: 7\n"
    run = replace(
        RUN,
        metric_definitions={
            "low": MetricDefinition(Summary.MIN, Goal.MINIMIZE),
            "high": MetricDefinition(Summary.MAX, Goal.MAXIMIZE),
        },
    )
    assert live(run, metrics=data).metrics == {"low": 1, "high": 5, "last": 7}


def test_a_live_metric_may_be_left_to_the_history() -> None:
    run = replace(RUN, metric_definitions={"low": MetricDefinition(Summary.MIN)})
    assert live(run, metrics=b"acc: 1\nlow: 1\nacc: null\nlow: null\nloss: 2\n").metrics == {"low": 1, "loss": 2}


def test_damaged_live_metrics() -> None:
    found = live(metrics=b'a: 1\n\x00\x00\nb: x\n: 5\n"c: 1\n\xff: 1\nd: true\ne: [1]\nf: 2\n')
    assert found.metrics == {"a": 1, "f": 2}
    assert found.problems == tuple(f"metrics.yaml: line {at} is no metric." for at in range(2, 9))


@pytest.mark.slow
def test_very_many_live_metrics_are_read() -> None:
    data = b"".join(b"loss: %r\n" % (n / 7) for n in range(1_000_000))
    assert len(data) > 16 * 1024 * 1024  # more than is read as one YAML document
    found = live(metrics=data)
    assert (found.metrics, found.problems) == ({"loss": 999_999 / 7}, ())


def test_inputs() -> None:
    assert decode_inputs(encode_inputs(INPUTS)) == INPUTS
    assert decode_inputs(None) == decode_inputs(b"") == ()
    with pytest.raises(FormatError):
        decode_inputs(b"- 1")
