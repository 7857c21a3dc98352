"""Every filter that MLflow takes means the same here: the same filters over the same runs, in both.

What is different on purpose, because MLflow is plainly wrong there, is the table at the end of ``docs/search.md``.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from gtrack.errors import QueryError
from tests.store.query.database import Row, ask, database

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

Search = Callable[[str, Sequence[str]], list[str]]

BASE_MS = 1_795_305_600_000
NAMES = {
    "metrics": ["f1", "loss", "val loss", "loss.min", "deep.er.still", "key", "endless"],
    "params": ["depth", "a b", "order"],
    "tags": ["team", "mlflow.source.git", "user"],
}
STATUSES = ("FINISHED", "FAILED", "KILLED", "RUNNING")
TEXTS = (
    "fraud",
    "Fraud",
    "fraud_1",
    "fraudx1",
    "50%",
    "a*b",
    "a?b",
    "[ab]",
    "it's",
    'say "hi"',
    "",
    "5",
    "5.0",
    "Été",
    "été",
)


def made_up(number: int) -> Row:
    """A run whose every fact is drawn, the same in each test."""
    chance = random.Random(number)
    started = BASE_MS + chance.randrange(6) * 1000
    status = STATUSES[number % 4]
    values = (0.5, 0.9, 0.90001, 1.0, -3.0, 0.0, 1e-5, math.nan)
    return Row(
        id="",
        name=chance.choice(["first", "First", "second run", "x_y"]),
        status=status.lower(),
        started=started * 1000,
        ended=None if status == "RUNNING" else (started + chance.randrange(3) * 500) * 1000,
        user=chance.choice(["ana", "Bob"]),
        params={
            **{name: chance.choice(TEXTS) for name in NAMES["params"] if chance.random() < 0.7},
            **({"depth": "it's"} if number == 7 else {}),
        },
        metrics={
            **{name: [chance.choice(values)] for name in NAMES["metrics"][:-1] if chance.random() < 0.7},
            **({"endless": [math.inf]} if number == 5 else {}),
        },
        tags={name: chance.choice(TEXTS[:-5]) or "x" for name in NAMES["tags"] if chance.random() < 0.7},
        inputs={
            name: (f"{chance.randrange(3)}abc", "file", None) for name in ("train", "Test_1") if chance.random() < 0.6
        },
    )


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Search, Search]]:
    """The search of MLflow and ours over the same 24 runs."""
    patch = pytest.MonkeyPatch()
    patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    home: Path = tmp_path_factory.mktemp("mlflow")
    patch.chdir(home)
    import mlflow

    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{home / 'mlflow.db'}")
    experiment = client.create_experiment("e", artifact_location=str(home / "artifacts"))
    rows = [record(client, experiment, made_up(number)) for number in range(24)]
    connection = database(rows)

    def theirs(text: str, order: Sequence[str]) -> list[str]:
        return [run.info.run_id for run in client.search_runs([experiment], text, order_by=list(order))]

    def ours(text: str, order: Sequence[str]) -> list[str]:
        return ask(connection, text, order, NAMES.__getitem__)

    yield theirs, ours
    patch.undo()


def record(client: Any, experiment: str, row: Row) -> Row:
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

    assert row.started is not None
    run = client.create_run(
        experiment,
        start_time=row.started // 1000,
        run_name=row.name,
        tags={"mlflow.user": row.user, "mlflow.runName": row.name},
    )
    row.id = run.info.run_id
    client.log_batch(
        row.id,
        metrics=[Metric(name, values[-1], BASE_MS, 0) for name, values in row.metrics.items()],
        params=[Param(name, value) for name, value in row.params.items()],
        tags=[RunTag(name, value) for name, value in row.tags.items()],
    )
    datasets = [
        DatasetInput(Dataset(name, digest, "local", "here"), [InputTag("mlflow.data.context", name)])
        for name, (digest, _, _) in row.inputs.items()
    ]
    if datasets:
        client.log_inputs(row.id, datasets)
    if row.ended is not None:
        client.set_terminated(row.id, row.status.upper(), row.ended // 1000)
    return row


METRICS = [
    *(
        f"metrics.f1 {sign} {number}"
        for sign in ("=", "!=", "<", "<=", ">", ">=")
        for number in ("0.9", "0", "-3", "1e-5", ".5", "1.")
    ),
    *(
        "metric.f1>0.5",
        "metrics.`val loss` > 0",
        'metrics."val loss" > 0',
        "metrics.'val loss' > 0",
        "`metrics`.f1 > 0",
    ),
    *(
        "metrics.loss.min > 0",
        "metrics.deep.er.still != 1",
        "metrics.`deep.er.still` <= 1E-5",
        "metrics.key < 5",
        "metrics.loss\n>\t0",
    ),
]
TEXT_TESTS = [
    *(f"{sign} '{text}'" for sign in ("=", "!=") for text in ("fraud", "fraud_1", "50%", "", "5", "été")),
    *(
        '= "fraud"',
        '= "it\'s"',
        "= 'say \"hi\"'",
        "='5'",
        "like 'fraud%'",
        "LIKE 'Fraud%'",
        "Like 'fraud_1'",
        "LIKE '%'",
        "LIKE ''",
    ),
    *(
        "LIKE 'a*b'",
        "LIKE 'a?b'",
        "LIKE '[ab]'",
        "LIKE '*'",
        "LIKE '50%'",
        "LIKE '%0\\%'",
        "ilike 'FRAUD%'",
        "ILIKE '%RAUD_1'",
    ),
    *("ILIKE 'été'", "ILIKE 'ÉTÉ'", "LIKE '_'", "is null", "IS NOT NULL", "is Not Null"),
]
TEXTS_OF = [
    "params.depth",
    "param.depth",
    "parameters.`a b`",
    'parameter."a b"',
    "params.order",
    "tags.team",
    "tag.user",
    "tags.mlflow.source.git",
]
ATTRIBUTES = [
    *(
        "status = 'FINISHED'",
        "attributes.status != 'FINISHED'",
        "attr.status LIKE 'FIN%'",
        "run.status ILIKE 'k%'",
        "status = 'SCHEDULED'",
    ),
    *(
        "run_name = 'first'",
        "attribute.run_name LIKE '%irst'",
        "`Run name` = 'First'",
        "attributes.\"run name\" != 'first'",
        "run_name ILIKE 'FIRST'",
    ),
    *(
        "user_id = 'ana'",
        "attributes.user_id LIKE 'B%'",
        "artifact_uri LIKE '%nowhere%'",
        "artifact_uri != ''",
        "run_name LIKE 'x_y'",
    ),
    *(f"attributes.start_time {sign} {BASE_MS + 2000}" for sign in ("=", "!=", "<", "<=", ">", ">=")),
    *(f"end_time {sign} {BASE_MS + 2500}" for sign in ("=", "!=", "<", "<=", ">", ">=")),
    *(
        f"created >= {BASE_MS + 2999.5}",
        f"Created < {BASE_MS + 3000.5}",
        f"start_time = {BASE_MS + 0.5}",
        f"start_time != {BASE_MS + 0.5}",
    ),
]
DATASETS = [
    *(
        "datasets.name = 'train'",
        "dataset.name != 'train'",
        "datasets.name LIKE 'T%'",
        "datasets.`name` ILIKE 't%'",
        "datasets.name in ('train', 'x')",
    ),
    *(
        "datasets.digest = '1abc'",
        "dataset.digest LIKE '_abc'",
        "datasets.digest NOT IN ('1abc')",
        "dataset.digest != '1abc'",
    ),
    *("datasets.context = 'train'", "datasets.context IN ('Test_1')", "dataset.context LIKE 'Test_1'"),
]
FILTERS = [
    *("", *METRICS, *(f"{key} {test}" for key in TEXTS_OF for test in TEXT_TESTS), *ATTRIBUTES, *DATASETS),
    *(
        "tags.nowhere IS NULL",
        "params.nowhere is not null",
        "tags.`mlflow.runName` = 'first'",
        "tags.mlflow.user != 'ana'",
        "tags.mlflow.parentRunId IS NULL",
    ),
    *(
        "params.depth='5'AND tags.team!='x'",
        "params.depth is null and metrics.f1 > 0",
        "metrics.f1 > 0 and params.depth IS NOT NULL and status = 'FAILED'",
    ),
]
ORDERS = [
    *(
        [],
        ["metrics.f1"],
        ["metrics.f1 DESC"],
        ["metrics.`val loss` asc"],
        ['metrics."val loss" desc'],
        ["metric.loss.min DESC"],
    ),
    *(
        ["attributes.start_time"],
        ["start_time DESC"],
        ["created"],
        ["end_time DESC"],
        ["end_time ASC"],
        ["status", "metrics.loss DESC"],
    ),
    *(
        ["run_name DESC"],
        ["user_id", "status DESC", "metrics.f1"],
        ["run_id"],
        ["run_id DESC"],
        ["tags.team"],
        ["tag.`user` DESC", "metrics.f1 DESC"],
    ),
]


@pytest.mark.parametrize("text", FILTERS)
def test_a_filter_means_the_same(both: tuple[Search, Search], text: str) -> None:
    theirs, ours = both
    assert ours(text, []) == theirs(text, [])


@pytest.mark.parametrize("order", ORDERS, ids=", ".join)
def test_an_order_means_the_same(both: tuple[Search, Search], order: list[str]) -> None:
    theirs, ours = both
    assert ours("", order) == theirs("", order)


def test_conjunctions_mean_the_same(both: tuple[Search, Search]) -> None:
    theirs, ours = both
    chance = random.Random(3)
    chosen = [
        (" AND ".join(chance.sample(FILTERS[1:], chance.choice([2, 3]))), chance.choice(ORDERS)) for _ in range(300)
    ]
    found = [(text, order, ours(text, order), theirs(text, order)) for text, order in chosen]
    assert [one for one in found if one[2] != one[3]] == []
    assert sum(bool(one[2]) for one in found) > 50


def test_lists_of_ids_mean_the_same(both: tuple[Search, Search]) -> None:
    theirs, ours = both
    first, second, *_ = theirs("", [])
    for text in (
        f"run_id IN ('{first}', \"{second}\")",
        f"attributes.run_id NOT IN ('{first}',)",
        f"run.run_id in ('{first}')",
        f"run_id = '{first}'",
        f"run_id != '{first}'",
        f"run_id LIKE '{first[:8]}%'",
        f"run_id = '{first[:8]}'",
        f"artifact_uri LIKE '%{first}%'",
    ):
        assert ours(text, []) == theirs(text, [])


@pytest.mark.parametrize(
    "text",
    [
        *("metrics.f1 > 0 metrics.loss > 0", "and metrics.f1 > 0 and", "metrics.f1 > 0 and and metrics.loss > 0"),
        *(r"params.depth = 'a\'b'", "run_id IN ('a' 'b')", "metrics. f1 > 0", "metrics. > 0"),
    ],
)
def test_what_mlflow_takes_and_we_refuse(both: tuple[Search, Search], text: str) -> None:
    theirs, ours = both
    assert isinstance(theirs(text, []), list)
    with pytest.raises(QueryError):
        ours(text, [])


@pytest.mark.parametrize(
    "text", ["tags.team IS NOT  NULL", "status IN ('FINISHED')", "params.depth IN ('1')", "params.depth > 1"]
)
def test_what_mlflow_refuses_and_we_take(both: tuple[Search, Search], text: str) -> None:
    from mlflow.exceptions import MlflowException

    theirs, ours = both
    assert isinstance(ours(text, []), list)
    with pytest.raises((MlflowException, KeyError)):
        theirs(text, [])


def test_what_is_different(both: tuple[Search, Search]) -> None:
    theirs, ours = both
    assert theirs("status = 'finished'", []) == []
    assert ours("status = 'finished'", []) == theirs("status = 'FINISHED'", []) != []
    assert theirs("params.depth = 'it''s'", []) == []
    assert ours("params.depth = 'it''s'", []) == theirs('params.depth = "it\'s"', []) != []
    assert theirs("metrics.endless = 1e999", []) == []
    assert len(ours("metrics.endless = 1e999", [])) == 1
