"""The quick reader and the full one always agree."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gtrack.errors import FormatError
from gtrack.formats import flat
from gtrack.formats.run_dir import encode_run
from gtrack.formats.yamlio import dumps, loads
from gtrack.records import CodeState, Run, Status

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1, max_size=8), inner, max_size=4),
    max_leaves=12,
)
MAPPINGS = st.dictionaries(st.text(min_size=1, max_size=12), VALUES, max_size=6)
# What a person may type into such a file, and what comes of a line that was cut or joined.
WORDS = r"""a b: : - 1 1.0 1e5 1.0e5 .5 0x1f 010 null yes " ' # [ ] , { } {} [] &x *x !!int | > ~ << 2026-01-01 \ \u0041 true
é ? --- ... % 12:30:45 - +1 .nan _1 1_0 key""".split()
PIECES = st.sampled_from(
    [*WORDS, "b: ", ": ", "  ", " ", "\n", "- ", " #", ", ", "\t", "\r", "\u2028", "\x85", "\ufeff"]
)


def same(data: bytes) -> bool:
    """Tell whether the quick reader gives up or says what the full one says; where that one refuses it must give up."""
    quick = flat.parse(data) or flat.parse(flat.without_comments(data))
    if not quick:  # nothing but comments is no mapping
        return True
    try:
        return repr(loads(data, "file")) == repr(quick)
    except FormatError:
        return False


@given(MAPPINGS)
def test_what_gtrack_writes_is_read_alike(mapping: dict[str, Any]) -> None:
    try:
        data = dumps(mapping).encode()
    except ValueError:  # text that no file can hold
        return
    assert same(data)


@given(st.lists(PIECES, max_size=24).map("".join))
@example("a: 1\na: 2\n")
@example("a:\n  b: 1\na: 2\n")
@example("a:\nb: 1\n")
@example("a: [x, y: z]\n")
@example('a: ["x", "y"]\n')
@example("a: [1, 2,]\n")
@example("n: 1\n")
@example("a : 1\n")
@example('a: "b\x85c"\n')
@example('a: "b\u2028c"\n')
@example("a\n  b: 1\n")
@example("a: b: c\n")
@example("a: x:\n")
@example("a: 00\n")
@example("a: -0\n")
@example("a: 1.0e999\n")
@example('a: "\\ud83d\\ude00"\n')
@example('a: "\\/"\n')
@example("# x\na: b #c\n\n  # y\nd:  # z\n  e: 'f # g'\n")
@example("a: b # c\rd: e\n")
@example("a: b # c\x85d: e\n")
@example("a: b#c # d\n")
def test_whatever_else_is_read_alike_or_left_to_the_full_reader(text: str) -> None:
    assert same(text.encode())
    assert same(f"{text}\n".encode())


@pytest.mark.parametrize(
    "data",
    [b"- a\n", b"a: |\n  x\n", b"a: 1", b"\xff: 1\n", b"a:\n", b"a: 2026-01-01\n", b"yes: 1\n", b"a: no\n", b" a: 1\n"],
)
def test_other_shapes_are_left_to_the_full_reader(data: bytes) -> None:
    assert flat.parse(data) is None


@pytest.mark.parametrize(
    "line", ["1a" * 500_000, "a " * 500_000, "[" * 500_000, '"' * 500_000, "1." * 500_000, " " * 10**6]
)
def test_no_line_takes_long(line: str) -> None:
    """Each of these would take hours, were there several ways to read it."""
    assert flat.parse(f"a: {line}!\n".encode()) is None


def test_a_usual_run_takes_the_quick_way() -> None:
    moment = datetime(2026, 11, 22, 19, 40, 1, 123456, timezone.utc)
    code = CodeState("0" * 40, "1" * 40, "main", dirty=True, remote="git@example.org:team/repo.git")
    run = Run(
        "12345678901234567890123456789012", "calm-otter-12", "RandomForest", Status.FINISHED, moment, moment, code=code
    )
    assert flat.parse(encode_run(run)) is not None
    assert flat.parse(b"lr: 0.1\ntrees: 100\nname: adam\nlayers: [64, 32]\nopt:\n  lr: 1.0e-05\n") == {
        "lr": 0.1,
        "trees": 100,
        "name": "adam",
        "layers": [64, 32],
        "opt": {"lr": 1e-05},
    }
