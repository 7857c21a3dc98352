"""The first lines of tag objects, whoever wrote them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtrack.ops.checks.tag_claims import TagHead, read_head

WHO = "Ana <ana@example.org> 1800000000 +0000"


@given(
    name=st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=30), message=st.binary()
)
def test_what_git_writes_is_read_back(name: str, message: bytes) -> None:
    head = f"object {'a' * 40}\ntype commit\ntag {name}\ntagger {WHO}\n\n".encode()
    assert read_head(head + message) == TagHead(name, WHO, plain=True)


@given(st.binary(max_size=300))
def test_any_other_bytes_are_no_tag(data: bytes) -> None:
    assert read_head(data) is None


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["tag m@v1.0.0"], TagHead("m@v1.0.0", "", plain=True)),
        (["tag m@v1.0.0", f"tagger {WHO}", "gpgsig x"], TagHead("m@v1.0.0", WHO, plain=False)),
        (["tag m@v1.0.0", "tag m@v2.0.0", f"tagger {WHO}"], TagHead("m@v1.0.0", "", plain=False)),
        ([f"tagger {WHO}", "tag m@v1.0.0"], None),
    ],
)
def test_lines_that_are_missing_doubled_or_in_disorder(lines: list[str], expected: TagHead | None) -> None:
    head = "\n".join([f"object {'a' * 64}", "type commit", *lines])
    assert read_head(f"{head}\n\nmessage\n".encode()) == expected
