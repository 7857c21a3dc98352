"""`.gtrack/stages.yaml`: what stands there is read as it is meant, and writing an entry changes nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtrack.errors import FormatError
from gtrack.formats.stages_file import HEADER, Wanted, differing, dropped, parse_stages, with_entry

BY_HAND = b"""\
# Ours.
churn:
    production: # the old one
        version: 3

    # on trial
    qa:
        version: v1.4.0-rc.1
        reason: |
            two
            lines
# the other team's
models/price: {production: {version: null, reason: "it drifts"}}
"""


def test_what_people_write_is_read() -> None:
    assert parse_stages(BY_HAND, "f") == [
        Wanted("churn", "production", "3"),
        Wanted("churn", "qa", "v1.4.0-rc.1", "two\nlines"),
        Wanted("models/price", "production", None, "it drifts"),
    ]
    assert [one.line for one in parse_stages(BY_HAND, "f")] == [3, 7, 13]
    assert parse_stages(b"", "f") == []
    assert parse_stages(HEADER.encode(), "f") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1", "f, line 1: a must be a mapping with stages, not 1."),
        ("a:\n  b: v1.0.0", "f, line 2: a.b must be a mapping with its version and reason, not 'v1.0.0'."),
        (
            "a:\n  b:\n    version: 1\n    resaon: x",
            "f, line 4: a.b has an unknown key 'resaon'. Did you mean 'reason'?",
        ),
        ("a:\n  b:\n    reason: x", "f, line 2: a.b has no version."),
        ("a:\n  b:\n    version: latest", "f, line 3: the version of a.b must be such as v5.0.0 or 5, or null"),
        ("a:\n  b:\n    version: 1.0", "f, line 3: the version of a.b must be"),
        ("a:\n  b:\n    version: true", "f, line 3: the version of a.b must be"),
        ("a:\n  b:\n    version: 0", "f, line 3: the version of a.b must be"),
        ("a:\n  b:\n    version: -1", "f, line 3: the version of a.b must be"),
        ("a:\n  b:\n    version: 1\n    reason: [x]", "f, line 4: the reason of a.b must be text"),
        ("a: {b: {version: 1}}\n\na: {c: {version: 1}}", "f, line 3: a stands in line 1 already."),
        ("a:\n  b: {version: 1}\n  b: {version: 2}", "f, line 3: a.b stands in line 2 already."),
        ("a:\n  b: {version: 1, version: 2}", "f, line 2: a.b.version stands in line 2 already."),
        ("<<<<<<< HEAD\na: {}\n=======\n", "f is not valid YAML"),
        ("- a", "f holds a list where a mapping is expected"),
    ],
    ids=range(15),
)
def test_what_is_wrong_is_told_with_its_line(text: str, said: str) -> None:
    with pytest.raises(FormatError) as error:
        parse_stages(text.encode(), "f")
    assert said in str(error.value)


def test_a_new_file_says_what_it_is() -> None:
    text = with_entry(b"", "f", Wanted("churn", "production", "v5.0.0", "f1 0.91: was 0.88"))
    assert text.decode() == (f'{HEADER}churn:\n  production:\n    version: v5.0.0\n    reason: "f1 0.91: was 0.88"\n')


def test_an_entry_takes_the_place_of_the_one_before_and_leaves_all_else() -> None:
    text = with_entry(BY_HAND, "f", Wanted("churn", "production", "v4.0.0", "better")).decode()
    before = "    production: # the old one\n        version: 3\n"
    assert text == BY_HAND.decode().replace(before, "    production:\n      version: v4.0.0\n      reason: better\n")


def test_a_further_stage_and_a_further_model_come_behind_the_others() -> None:
    text = with_entry(BY_HAND, "f", Wanted("churn", "staging", None)).decode()
    assert text == BY_HAND.decode().replace(
        "            lines\n", "            lines\n    staging:\n      version: null\n"
    )
    text = with_entry(BY_HAND, "f", Wanted("fraud", "staging", "v1.0.0")).decode()
    assert text == f"{BY_HAND.decode()}fraud:\n  staging:\n    version: v1.0.0\n"


def test_what_is_said_already_leaves_the_file_as_it_is() -> None:
    assert with_entry(BY_HAND, "f", Wanted("churn", "production", "3")) is BY_HAND


def test_a_file_in_another_style_is_written_anew() -> None:
    text = with_entry(b"churn: {qa: {version: 1}}\n", "f", Wanted("churn", "production", "v2.0.0"))
    assert text.startswith(HEADER.encode())
    assert parse_stages(text, "f") == [Wanted("churn", "qa", "1"), Wanted("churn", "production", "v2.0.0")]
    assert parse_stages(with_entry(b"{}", "f", Wanted("a", "b", None)), "f") == [Wanted("a", "b", None)]


def test_a_file_that_cannot_be_read_is_not_written() -> None:
    with pytest.raises(FormatError):
        with_entry(b"a: 1", "f", Wanted("churn", "qa", "v1.0.0"))


NAMES = st.sampled_from(["churn", "models/price", "team:fraud", "yes", "1", "a-b_c"])
STAGES = st.sampled_from(["production", "staging", "no", "2026-01-01", "on"])
ENTRIES = st.builds(
    Wanted,
    NAMES,
    STAGES,
    st.none() | st.sampled_from(["v1.0.0", "v10.2.3-rc.1+b", "7"]),
    st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1).map(str.strip).filter(bool),
)


@given(st.lists(ENTRIES, max_size=8), st.booleans())
def test_whatever_is_written_is_read_again(entries: list[Wanted], comments: bool) -> None:
    data = b""
    wanted: dict[tuple[str, str], Wanted] = {}
    for entry in entries:
        data = with_entry(data + (b"# said by hand\n" if comments else b""), "f", entry)
        wanted[entry.place] = entry
        assert {one.place: one for one in parse_stages(data, "f")} == wanted
    models = [one.model for one in parse_stages(data, "f")]
    assert models == sorted(models, key=list(dict.fromkeys(models)).index)
    assert data.count(b"# said by hand") == (len(entries) if comments else 0)


def test_what_differs_and_what_is_gone() -> None:
    one, two, three = Wanted("a", "b", "1", line=1), Wanted("a", "c", "1"), Wanted("a", "c", "2")
    assert differing([Wanted("a", "b", "1", line=9), two], [one, three]) == [three]
    assert dropped([one, two], [three]) == [one]
