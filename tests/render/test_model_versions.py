from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

import pytest

from gtrack.records import RegisteredModel, Run
from gtrack.render.data import rows_csv, to_json
from gtrack.render.markdown import columns_markdown
from gtrack.render.model_versions import (
    overview_data,
    version_columns,
    version_comparison_data,
    version_comparison_markdown,
    version_rows,
    write_overview,
    write_version_comparison,
)
from tests.render.conftest import WIDTHS, CheckGolden, Draw, golden_name
from tests.render.registered_models import churn, many_stages, odd, overview, two_versions


@pytest.mark.parametrize("width", WIDTHS)
def test_the_versions_of_a_model(draw: Draw, golden: CheckGolden, now: datetime, width: int | None) -> None:
    found = overview(*churn(), runs=(2, 3, 4))
    golden(golden_name("models-show", width), draw(lambda console: write_overview(console, found, now), width))


@pytest.mark.parametrize("width", [80, None])
def test_strange_models(draw: Draw, golden: CheckGolden, now: datetime, width: int | None) -> None:
    def write(console: object) -> None:
        for model, events in [many_stages(), *odd(), (RegisteredModel("empty"), ())]:
            write_overview(console, overview(model, events), now)  # type: ignore[arg-type]

    golden(golden_name("models-show-strange", width), draw(write, width))


def test_other_formats_of_the_versions(golden: CheckGolden, now: datetime) -> None:
    found = overview(*churn(), runs=(2, 3, 4))
    golden("models-show.md", columns_markdown(version_columns(found, now, terminal=False)))
    golden("models-show.csv", rows_csv(version_rows(found)))
    golden("models-show.json", to_json(overview_data(found)))


def test_what_is_not_shown_is_said(draw: Draw, now: datetime) -> None:
    found = replace(overview(*churn()), total=40)
    text = draw(lambda console: write_overview(console, found, now), 120)
    assert text.endswith("the newest 6 versions; -n 0 shows all 40\n")


@pytest.mark.parametrize("width", [80, 120, None])
def test_versions_side_by_side(
    forests: list[Run], draw: Draw, golden: CheckGolden, now: datetime, width: int | None
) -> None:
    found = two_versions([forests[5], forests[1]])
    text = draw(lambda console: write_version_comparison(console, found, now), width)
    golden(golden_name("models-diff", width), text)


def test_other_formats_of_versions_side_by_side(forests: list[Run], golden: CheckGolden, now: datetime) -> None:
    found = two_versions([forests[5], forests[1]])
    golden("models-diff.md", version_comparison_markdown(found, now))
    data = json.loads(to_json(version_comparison_data(found)))
    assert [one["version"] for one in data["versions"]] == [3, 4]
    assert [one["name"] for one in data["runs"]] == ["calm-otter-4", "calm-otter-8"]
    assert list(data["metrics"]["f1"]["values"]) == [forests[5].id, forests[1].id]
