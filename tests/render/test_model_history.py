from __future__ import annotations

from datetime import datetime

import pytest

from gtrack.git.signing import Signature, SignatureState
from gtrack.render.data import rows_csv, to_json
from gtrack.render.markdown import columns_markdown
from gtrack.render.model_history import (
    history_columns,
    history_data,
    history_rows,
    signature_text,
    write_history,
)
from tests.render.conftest import WIDTHS, CheckGolden, Draw, golden_name
from tests.render.registered_models import trail


@pytest.mark.parametrize("width", WIDTHS)
def test_an_audit_trail(draw: Draw, golden: CheckGolden, now: datetime, width: int | None) -> None:
    golden(golden_name("models-history", width), draw(lambda console: write_history(console, trail(), now), width))


def test_other_formats(golden: CheckGolden, now: datetime) -> None:
    golden("models-history.md", columns_markdown(history_columns(trail(), now, terminal=False)))
    golden("models-history.csv", rows_csv(history_rows(trail())))
    golden("models-history.json", to_json(history_data(trail())))


def test_columns_of_which_nothing_is_known_are_not_shown(draw: Draw, now: datetime) -> None:
    plain = trail()[-2:]
    head = draw(lambda console: write_history(console, plain, now, more=True), 120).splitlines()
    assert head[0].split() == ["when", "who", "what", "tag"]
    assert head[-1] == "the newest 2; -n 0 shows all"


@pytest.mark.parametrize(
    ("signature", "text"),
    [
        (Signature(SignatureState.NONE, text="no signature found"), ""),
        (Signature(SignatureState.GOOD, "ana@x", "SHA256:1", "Good signature"), "verified: ana@x (SHA256:1)"),
        (Signature(SignatureState.GOOD, "", "SHA256:1"), "verified: SHA256:1"),
        (Signature(SignatureState.GOOD), "verified"),
        (Signature(SignatureState.BAD, "eve\x1b[2J", text="altered\nline"), "bad: altered line"),
        (Signature(SignatureState.UNKNOWN, text="no key\x07"), r"not verified: no key\x07"),
    ],
)
def test_a_signature_in_words(signature: Signature, text: str) -> None:
    assert signature_text(signature) == text
