from __future__ import annotations

import json
from datetime import datetime

import pytest

from gtrack.records import RegisteredModel
from gtrack.render.data import rows_csv, to_json
from gtrack.render.markdown import columns_markdown
from gtrack.render.models import model_columns, model_data, model_rows, version_name, write_models
from tests.render.conftest import WIDTHS, CheckGolden, Draw, golden_name
from tests.render.registered_models import churn, many_stages, odd, placed, version


@pytest.mark.parametrize("width", WIDTHS)
def test_models_and_their_stages(draw: Draw, golden: CheckGolden, now: datetime, width: int | None) -> None:
    rows = placed(churn(), *odd())
    golden(golden_name("models", width), draw(lambda console: write_models(console, rows, now), width))


@pytest.mark.parametrize("width", WIDTHS)
def test_many_stages_and_long_names(draw: Draw, golden: CheckGolden, now: datetime, width: int | None) -> None:
    rows = placed(many_stages(), churn())
    golden(golden_name("models-many", width), draw(lambda console: write_models(console, rows, now), width))


def test_other_formats(golden: CheckGolden, now: datetime) -> None:
    found = [churn(), *odd()]
    rows = placed(*found)
    golden("models.md", columns_markdown(model_columns(rows, now, terminal=False)))
    golden("models.csv", rows_csv(model_rows(rows)))
    golden("models.json", to_json([model_data(model, placed((model, events))) for model, events in found]))


def test_a_model_is_named_once_on_a_terminal_and_in_every_line_of_a_pipe(draw: Draw, now: datetime) -> None:
    rows = placed(churn())
    assert draw(lambda console: write_models(console, rows, now), 120).count("churn") == 1
    assert draw(lambda console: write_models(console, rows, now), None).count("churn") == len(rows)


def test_nothing_that_a_stranger_wrote_reaches_a_terminal(draw: Draw, now: datetime) -> None:
    for width in WIDTHS:
        text = draw(lambda console: write_models(console, placed(*odd()), now), width)
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_thirty_models_are_thirty_lines_and_a_sum(draw: Draw, now: datetime) -> None:
    one = version("m", 1, 1)
    rows = placed(*((RegisteredModel(f"model-{number}", (one,), deprecated=number < 2), ()) for number in range(30)))
    lines = draw(lambda console: write_models(console, rows, now), 160).splitlines()
    assert len(lines) == 32
    assert lines[-1] == "30 models, 2 deprecated"


def test_a_version_says_its_semantic_version_only_where_that_is_another_one() -> None:
    assert version_name(version("m", 3, 1)) == "v3"
    assert version_name(version("m", 3, 1, semver="v1.2.0")) == "v3 (v1.2.0)"


def test_json_says_who_put_a_version_where_and_why() -> None:
    data = json.loads(to_json(model_data(churn()[0], placed(churn()))))
    assert data["assignments"][0] == {
        "stage": "production",
        "version": 3,
        "since": "2026-11-19T02:00:00.000000Z",
        "user": "Ana <ana@example.org>",
        "reason": "f1 0.83, was 0.81",
        "tag": "churn#production#2",
    }
