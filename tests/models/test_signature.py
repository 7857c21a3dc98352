"""Signatures, and what is held against them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from gtrack.errors import FormatError, InvalidValue
from gtrack.models.enforce import enforced
from gtrack.models.schema import Column, Schema, Tensor, schema_from_json, schema_of, schema_to_json
from gtrack.models.signature import ModelSignature, as_signature, infer_signature

AB = (Column("double", "a"), Column("long", "b"))


def test_a_column_with_nan_is_still_required() -> None:
    frame = pd.DataFrame({"n": [1.0, np.nan], "t": ["a", None], "w": pd.array([1, None], dtype="Int64")})
    assert schema_of(frame, "x") == (
        Column("double", "n"),
        Column("string", "t", required=False),
        Column("long", "w", required=False),
    )


def test_kinds_of_data() -> None:
    assert schema_of(pd.Series([1, 2], name="y"), "x") == (Column("long", "y"),)
    assert schema_of(pd.DataFrame({"c": pd.Categorical(["x", None])}), "x") == (Column("string", "c", required=False),)
    assert schema_of(pd.DataFrame({"c": pd.Categorical([1, 2])}), "x") == (Column("long", "c"),)
    assert schema_of(sp.csr_matrix(np.eye(3)), "x") == (Tensor("float64", (-1, 3)),)
    assert schema_of({"x": np.zeros((2, 3), "float32")}, "x") == (Tensor("float32", (-1, 3), "x"),)
    assert schema_of({"a": [1.0], "b": "t"}, "x") == (Column("double", "a"), Column("string", "b"))
    assert schema_of([{"a": 1}], "x") == (Column("long", "a"),)
    assert schema_of([[1.0, 2.0]], "x") == (Tensor("float64", (-1, 2)),)
    assert schema_of(["a"], "x") == (Column("string"),)
    assert schema_of(3.5, "x") == (Column("double"),)
    assert schema_of(np.zeros((4, 2, 3), "int8"), "x") == (Tensor("int8", (-1, 2, 3)),)


@pytest.mark.parametrize(
    "data",
    [object(), [], {}, None, pd.DataFrame({"a": [object()]})],
    ids=["object", "list", "dict", "none", "column of objects"],
)
def test_what_has_no_schema_is_refused(data: Any) -> None:
    with pytest.raises(InvalidValue):
        schema_of(data, "The model's input")


NAMES = st.text(max_size=20)
COLUMNS = st.builds(Column, st.sampled_from(["double", "string", "long"]), st.none() | NAMES, st.booleans())
TENSORS = st.builds(
    Tensor,
    st.sampled_from(["float64", "int8", "str"]),
    st.lists(st.integers(-1, 2**40), max_size=5).map(tuple),
    st.none() | NAMES,
)


@given(st.lists(COLUMNS).map(tuple) | st.lists(TENSORS).map(tuple))
def test_a_schema_is_read_as_it_was_written(schema: Schema) -> None:
    assert schema_from_json(schema_to_json(schema), "it") == schema


def test_nested_types_of_mlflow_are_kept() -> None:
    text = '[{"type": "array", "items": {"type": "string"}, "name": "tags", "required": true}]'
    assert schema_to_json(schema_from_json(text, "it")) == text


@pytest.mark.slow
@given(
    st.text()
    | st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x))
)
def test_nonsense_is_a_format_error_or_a_schema(held: Any) -> None:
    found: Any = None
    try:
        found = schema_from_json(held, "it")
    except FormatError as error:
        found = str(error)
    assert isinstance(found, tuple) or found.startswith("it ")


def test_what_is_given_as_a_signature() -> None:
    signature = infer_signature(np.eye(2))
    assert as_signature(None) is None
    assert as_signature(signature) is signature
    assert as_signature(signature.to_dict()) == signature
    assert as_signature(False) == ModelSignature()
    for bad in (5, "x", {"a": 1}, {"inputs": "{"}, infer_signature):
        with pytest.raises(InvalidValue):
            as_signature(bad)
    with pytest.raises(InvalidValue, match="parameter 'f'"):
        infer_signature(np.eye(2), params={"f": object()})


# Enforcement


def test_columns_come_into_the_order_of_the_signature_and_others_are_left_out() -> None:
    frame = pd.DataFrame({"x": ["?"], "b": [1], "a": [2.0]}, index=[7])
    found = enforced(AB, frame)
    pd.testing.assert_frame_equal(found, pd.DataFrame({"a": [2.0], "b": [1]}, index=[7]))
    whole = pd.DataFrame({"a": [2.0], "b": [1]})
    assert enforced(AB, whole) is whole


@pytest.mark.parametrize(
    "data",
    [
        {"a": [1.0, 2.0], "b": [3, 4]},
        [{"a": 1.0, "b": 3}, {"b": 4, "a": 2.0}],
        [[1.0, 3], [2.0, 4]],
        np.array([[1.0, 3.0], [2.0, 4.0]]),
        {"a": np.array([1, 2]), "b": np.array([3.0, 4.0])},
        pd.DataFrame({"a": ["1", "2"], "b": [3, 4]}, dtype=object).assign(a=[1, 2]),
        pd.DataFrame({"a": pd.array([1, 2], dtype="Int64"), "b": pd.array([3, 4], dtype="Int64")}),
        pd.DataFrame({"a": np.array([1, 2], "float32"), "b": np.array([3, 4], "int8")}),
    ],
    ids=range(8),
)
def test_every_form_of_a_table_is_taken(data: Any) -> None:
    pd.testing.assert_frame_equal(enforced(AB, data), pd.DataFrame({"a": [1.0, 2.0], "b": [3, 4]}))


def test_one_record() -> None:
    pd.testing.assert_frame_equal(enforced(AB, {"a": 1, "b": 2}), pd.DataFrame({"a": [1.0], "b": [2]}))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pd.DataFrame({"a": [1.0]}), r"needs the column 'b', which is missing\. It was given: 'a'\."),
        (pd.DataFrame({"z": [1.0]}), r"needs the columns 'a', 'b', which are missing"),
        (pd.DataFrame(), "no columns"),
        (pd.DataFrame({"a": ["x"], "b": [1]}), r"'a' is to hold numbers \(double\), and holds str.* such as 'x'"),
        (pd.DataFrame({"a": [1.0], "b": [1.5]}), r"'b' is to hold whole numbers \(long\), and holds .*1\.5.* in row 0"),
        (pd.DataFrame({"a": [1.0], "b": [np.nan]}), "'b' .*holds missing values"),
        (pd.DataFrame({"a": [True], "b": [1]}), "'a' .*holds bool"),
        (pd.DataFrame({"a": [2**60 + 1], "b": [1]}), "in row 0"),
        (np.zeros((2, 3)), "the 2 columns 'a', 'b', and was given an array of the shape 2×3"),
        ({"a": [1, 2], "b": [1]}, "no table"),
        (5, "array of the shape 1×1"),
    ],
    ids=range(11),
)
def test_what_does_not_fit_is_told_by_column(data: Any, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        enforced(AB, data)


def test_a_misspelt_column_is_guessed() -> None:
    schema = (Column("double", "age"), Column("double", "wage"))
    with pytest.raises(InvalidValue, match=r"needs the column 'age', which is missing. Did you mean 'ages'\?"):
        enforced(schema, {"ages": [1.0], "wage": [2.0]})


def test_an_optional_column_may_be_missing_and_categories_stay() -> None:
    schema = (Column("string", "c"), Column("string", "d", required=False))
    frame = pd.DataFrame({"c": pd.Categorical(["x", "y"])})
    assert enforced(schema, frame) is frame
    with pytest.raises(InvalidValue, match="'c' is to hold text, and holds integer"):
        enforced(schema, pd.DataFrame({"c": [1]}))


def test_times_and_truth() -> None:
    schema = (Column("datetime", "t"), Column("boolean", "f"))
    found = enforced(schema, {"t": ["2026-01-02"], "f": [True]})
    assert found["t"].dtype.kind == "M"
    with pytest.raises(InvalidValue, match="'t' is to hold times"):
        enforced(schema, {"t": ["soon"], "f": [True]})
    with pytest.raises(InvalidValue, match="'f' is to hold true or false"):
        enforced(schema, {"t": ["2026-01-02"], "f": [1]})


def test_columns_without_names_are_counted() -> None:
    schema = (Column("double"), Column("double"))
    assert enforced(schema, np.eye(2)).shape == (2, 2)
    with pytest.raises(InvalidValue, match="takes 2 columns, and was given 3"):
        enforced(schema, pd.DataFrame(np.eye(3)))


def test_tensors() -> None:
    schema = (Tensor("float64", (-1, 2)),)
    assert enforced(schema, [[1, 2]]).dtype == np.float64
    assert enforced(schema, pd.DataFrame({"a": [1], "b": [2]})).tolist() == [[1.0, 2.0]]
    assert enforced(schema, np.eye(2, dtype="float32")).dtype == np.float64
    assert enforced((Tensor("int64", (-1,)),), np.array([1.0])).dtype == np.int64
    matrix = sp.csr_matrix(np.eye(2))
    assert enforced(schema, matrix) is matrix
    named = (Tensor("float64", (-1,), "x"), Tensor("str", (-1,), "t"))
    assert enforced(named, {"x": [1], "t": ["a"], "more": 1}).keys() == {"x", "t"}
    for bad, message in (
        (np.eye(3), "shape n×2, and was given one of 3×3"),
        (np.zeros(2), "one of 2"),
        ([["a", "b"]], "str"),
    ):
        with pytest.raises(InvalidValue, match=message):
            enforced(schema, bad)
    with pytest.raises(InvalidValue, match="int64, and was given one of float64"):
        enforced((Tensor("int64", (-1,)),), np.array([1.5]))
    with pytest.raises(InvalidValue, match="needs the column 't'"):
        enforced(named, {"x": [1]})
    with pytest.raises(InvalidValue, match="mapping of arrays"):
        enforced(named, np.eye(2))
    with pytest.raises(InvalidValue, match="which numpy does not know"):
        enforced((Tensor("nonsense", (-1,)),), np.eye(1)[0])


def test_without_a_signature_plain_python_becomes_a_table() -> None:
    assert list(enforced((), {"a": [1]}).columns) == ["a"]
    assert list(enforced((), [{"a": 1}]).columns) == ["a"]
    assert enforced((), [[1, 2]]).shape == (1, 2)
    assert enforced((), {"a": 1}) == {"a": 1}
    assert enforced((), "text") == "text"
