"""Parameters: one value each, nested or dotted."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtrack.errors import InvalidName, InvalidValue, ParamConflict
from gtrack.formats.params import ParamTree, over_default, plain_params
from gtrack.records import flatten


def test_params_need_names() -> None:
    assert plain_params({"a": (1,)}, "log_params") == {"a": [1]}
    with pytest.raises(InvalidName, match="parameter"):
        plain_params({5: 1}, "log_params")
    with pytest.raises(InvalidValue, match="parameter 'a'"):
        plain_params({"a": object()}, "log_params")
    with pytest.raises(InvalidValue, match="log_params takes a mapping"):
        plain_params([1], "log_params")


def test_only_what_changes_is_written() -> None:
    tree = ParamTree({"a": 1})
    assert tree.add({"a": 1, "b": [1, 2]}) == {"b": [1, 2]}
    assert tree.add({"a": 1, "b": [1, 2]}) == {}


def test_a_nested_parameter_keeps_what_it_held() -> None:
    tree = ParamTree({})
    assert tree.add({"opt": {"lr": 0.1}}) == {"opt": {"lr": 0.1}}
    assert tree.add({"opt": {"momentum": 0.9}}) == {"opt": {"lr": 0.1, "momentum": 0.9}}
    assert tree.add({"opt": {"lr": 0.1, "sched": {"gamma": 1}}}) == {
        "opt": {"lr": 0.1, "momentum": 0.9, "sched": {"gamma": 1}}
    }
    assert tree.add({"opt": {"sched": {"step": 2}}})["opt"]["sched"] == {"gamma": 1, "step": 2}  # type: ignore[call-overload, index]


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ({"a": 1}, {"a": 2}, "a"),
        ({"a": 1}, {"a": 1.0}, "a"),
        ({"a": 1}, {"a": True}, "a"),
        ({"a": 1}, {"a": "1"}, "a"),
        ({"a": None}, {"a": "null"}, "a"),
        ({"a": [1, 2]}, {"a": [1, 2.0]}, "a"),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "a.b"),
        ({"a": {"b": 1}}, {"a.b": 2}, "a.b"),
        ({"a.b": 1}, {"a": {"b": 2}}, "a.b"),
        ({"a": "adam"}, {"a": {"lr": 1}}, "a"),
        ({"a": {"lr": 1}}, {"a": "adam"}, "a"),
        ({"a": {"b": {"c": 1}}}, {"a": {"b": 5}}, "a.b"),
        ({"a": {}}, {"a": {"b": 1}}, "a"),
    ],
    ids=str,
)
def test_another_value_is_a_conflict_and_nothing_of_the_call_counts(old: Any, new: Any, name: str) -> None:
    tree = ParamTree({})
    tree.add(old)
    with pytest.raises(ParamConflict, match="cannot become") as caught:
        tree.add({"fresh": 1, **new})
    assert repr(name) in str(caught.value)
    assert tree.add({"fresh": 2}) == {"fresh": 2}


@pytest.mark.parametrize("value", [math.nan, [math.nan], -0.0, {"a": {}}, [], None, "x\ny"], ids=repr)
def test_the_same_value_again_is_none(value: Any) -> None:
    tree = ParamTree({})
    assert list(tree.add({"k": value})) == ["k"]
    assert tree.add({"k": value}) == {}


def test_a_launcher_amends() -> None:
    tree = ParamTree({"a": 1, "opt": {"lr": 1, "m": 2}})
    assert tree.add({"a": 2, "opt": {"lr": 3}}, amend=True) == {"a": 2, "opt": {"lr": 3, "m": 2}}
    assert tree.add({"opt": "sgd"}, amend=True) == {"opt": "sgd"}
    assert tree.add({"opt.lr": 5}) == {"opt.lr": 5}


trees = st.recursive(
    st.integers(0, 3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, min_size=1, max_size=3),
    max_leaves=6,
)
params = st.dictionaries(st.sampled_from("abc"), trees, max_size=3)


@given(st.lists(params, max_size=5))
def test_every_leaf_that_was_taken_stays(calls: list[Any]) -> None:
    tree, file, leaves = ParamTree({}), dict[str, Any](), dict[str, Any]()
    for call in calls:
        try:
            file.update(tree.add(call))
        except ParamConflict:
            continue
        leaves.update(flatten(call))
    assert dict(flatten(file)) == leaves


@pytest.mark.parametrize(
    ("given_value", "default", "value"),
    [
        (1, 0.5, 1.0),
        (0.25, 1, 0.25),
        (1000.0, 10, 1000),
        (3, 10, 3),
        ([1, 2], (0,), (1, 2)),
        ([1], [], [1]),
        (False, True, False),
        (5, "abc", "5"),
        (True, "abc", "true"),
        (1e-5, "abc", "1.0e-05"),
        ("x", "abc", "x"),
        (None, 5, None),
        ("x", None, "x"),
        ({"a": 1}, {"b": 2}, {"a": 1}),
        ([1], object, [1]),
    ],
    ids=repr,
)
def test_a_given_value_takes_the_type_of_its_default(given_value: Any, default: Any, value: Any) -> None:
    found = over_default({"p": given_value}, default, "p")
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("given_value", "default"),
    [
        ("x", 1),
        ("x", 0.5),
        ("x", True),
        (1, True),
        (True, 1),
        (True, 0.5),
        ([1], 1),
        ({}, "a"),
        (1, [1]),
        ("x", (1,)),
        (1, {}),
    ],
    ids=repr,
)
def test_a_value_of_another_kind_is_an_error(given_value: Any, default: Any) -> None:
    with pytest.raises(InvalidValue, match="'p'"):
        over_default({"p": given_value}, default, "p")


def test_what_is_not_given_is_the_default() -> None:
    assert over_default({"other": 1}, (1, 2), "p") == (1, 2)


def test_a_dotted_name_reaches_into_a_nested_default() -> None:
    default = {"lr": 0.1, "sched": {"gamma": 1}}
    assert over_default({"opt.lr": 1, "opt.sched.gamma": 2}, default, "opt") == {"lr": 1.0, "sched": {"gamma": 2}}
    assert default == {"lr": 0.1, "sched": {"gamma": 1}}


@pytest.mark.parametrize(
    ("value", "text", "found"),
    [(7, "007", "007"), (True, "yes", "yes"), (1.1, "1.10", "1.10"), ("7", "'7'", "7"), (7, None, "7")],
)
def test_a_text_is_what_was_typed(value: object, text: str | None, found: str) -> None:
    texts = {"p": text, "q.r": text} if text is not None else {}
    assert over_default({"p": value}, "x", "p", texts) == found
    assert over_default({"q.r": value}, {"r": "x", "s": 1}, "q", texts) == {"r": found, "s": 1}
