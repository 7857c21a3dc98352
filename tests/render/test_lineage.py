from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import pytest

from gtrack.models.schema import Column, Schema, Tensor
from gtrack.records import CodeState, Run
from gtrack.render.data import to_json
from gtrack.render.lineage import lineage_data, schema_text, uses, write_lineage
from tests.render.conftest import WIDTHS, CheckGolden, Draw, forest, golden_name
from tests.render.registered_models import bare_lineage, whole_lineage


@pytest.mark.parametrize("width", WIDTHS)
def test_where_a_version_comes_from(
    whole: Run, draw: Draw, golden: CheckGolden, now: datetime, width: int | None
) -> None:
    found = whole_lineage(whole)
    text = draw(lambda console: write_lineage(console, found, now, timezone.utc), width)
    golden(golden_name("models-lineage", width), text)


@pytest.mark.parametrize("width", [80, None])
def test_a_version_whose_commit_is_not_here(draw: Draw, golden: CheckGolden, now: datetime, width: int | None) -> None:
    text = draw(lambda console: write_lineage(console, bare_lineage(), now, timezone.utc), width)
    golden(golden_name("models-lineage-bare", width), text)


def test_json(whole: Run, golden: CheckGolden) -> None:
    golden("models-lineage.json", to_json(lineage_data(whole_lineage(whole))))


@pytest.mark.parametrize(
    ("code", "line"),
    [
        (CodeState("a" * 40, "a" * 40, "main"), "aaaaaaaaaa on main, clean"),
        (
            CodeState("b" * 40, "a" * 40, "main", dirty=True),
            "bbbbbbbbbb, dirty: a snapshot of changes to aaaaaaaaaa on main",
        ),
        (
            CodeState("b" * 40, None, "main", dirty=True),
            "bbbbbbbbbb on main, dirty: a snapshot before the first commit",
        ),
        (CodeState("a" * 40, "a" * 40, None, dirty=True), "aaaaaaaaaa, dirty: without the uncommitted changes"),
        (CodeState(), "none was recorded"),
    ],
)
def test_the_code_is_clean_or_dirty(code: CodeState, line: str, whole: Run, draw: Draw, now: datetime) -> None:
    found = replace(whole_lineage(whole), run=forest(3, 1, 1, code=code), subject=None)
    text = draw(lambda console: write_lineage(console, found, now, timezone.utc), 120)
    assert f"  code      {line}\n" in text
    assert ("of it is not in this clone" in text) == (code.commit is not None)


def test_what_a_run_says_of_its_code_is_not_obeyed(whole: Run, draw: Draw, now: datetime) -> None:
    steering = CodeState("\x1b[2J", "\x1bc", "\x1b[1A", dirty=True, remote="\x1b]0;owned\x07")
    found = replace(whole_lineage(whole), run=forest(3, 1, 1, code=steering), subject="\x1b[2J", url="\x1b[2J")
    for width in WIDTHS:
        assert "\x1b" not in draw(lambda console: write_lineage(console, found, now, timezone.utc), width)


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ((), ""),
        ((Column("long", "age"), Column("double", "wage", required=False)), "age: long, wage: double (optional)"),
        ((Column("double"),), "double"),
        ((Tensor("uint8", (-1, 28, 28), "image"),), "image: uint8 tensor (any, 28, 28)"),
        (
            tuple(Column("long", f"a\x1b{n}") for n in range(6)),
            r"6 columns: a\x1b0: long, a\x1b1: long, a\x1b2: long …",
        ),
        (tuple(Tensor("int64", (-1,)) for _ in range(6)), "6 tensors: " + ", ".join(["int64 tensor (any)"] * 3) + " …"),
    ],
)
def test_a_signature_in_short(schema: Schema, text: str) -> None:
    assert schema_text(schema) == text


def test_a_url_is_quoted_for_the_shell(whole: Run) -> None:
    found = replace(whole_lineage(whole), url="https://example.org/a b;rm -rf $HOME")
    assert uses(found)["deploy"].endswith(" churn@v3.0.0 'https://example.org/a b;rm -rf $HOME'")
    assert uses(replace(found, url=None))["deploy"].endswith(" churn@v3.0.0 URL")
