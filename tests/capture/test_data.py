"""Versions of data: equal for equal content, different for any other, and with the shape of it."""

from __future__ import annotations

import base64
import hashlib
import os
import random
import socket
import string
import subprocess
import sys
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from gtrack.capture.data import MAX_SCHEMA_COLUMNS, describe, describe_path, digest_file
from gtrack.errors import ArtifactError, InvalidValue

# Three rows of {x: int64, y: string}, written by pyarrow.
PARQUET = base64.b64decode(
    "UEFSMRUAFTwVPCwVBhUAFQYVBhwAAAACAAAABgEBAAAAAAAAAAIAAAAAAAAAAwAAAAAAAAAVABUqFSosFQYVABUGFQYcAAAAAgAAAAYBAQAAAG"
    "EBAAAAYgEAAABjFQQZPDUAGAZzY2hlbWEVBAAVBCUCGAF4ABUMJQIYAXklAEwcAAAAFgYZHBksJgAcFQQZJQYAGRgBeBUAFgYWYhZiJghJHBUA"
    "FQAVAgA8KQYZJgAGAAAAJgAcFQwZJQYAGRgBeRUAFgYWUBZQJmpJHBUAFQAVAgA8FgYZBhkmAAYAAAAWsgEWBiYIFrIBACggcGFycXVldC1jcH"
    "AtYXJyb3cgdmVyc2lvbiAyNS4wLjEZLBwAABwAAAC5AAAAUEFSMQ=="
)


def digest(data: object) -> str:
    return describe(data).digest


# --- files -----------------------------------------------------------------------------------------------------------


def test_a_file_has_the_digest_that_sha256sum_prints(tmp_path: Path) -> None:
    content = random.Random(1).randbytes(3_000_001)
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    one = describe(path)
    assert one.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert (one.name, one.kind, one.size, one.source) == ("model.bin", "file", 3_000_001, str(path))
    assert (one.rows, one.columns, one.schema) == (None, None, {})
    assert describe(str(path), "weights", "https://me:pw@example.org/w").source == "https://example.org/w"


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    one = describe_path(tmp_path / "empty.csv")
    assert (one.size, one.rows, one.columns) == (0, 0, None)
    assert one.digest.startswith("sha256:e3b0c442")


@pytest.mark.parametrize(
    ("name", "text", "rows", "columns", "names"),
    [
        ("a.csv", "x,y\n1,2\n3,4\n", 2, 2, ["x", "y"]),
        ("a.csv", "x,y\r\n1,2\r\n3,4", 2, 2, ["x", "y"]),
        ("a.csv", "1,2\n3,4\n", 2, 2, []),
        ("a.csv", "x;y;z\n1,5;2;3\n", 1, 3, ["x", "y", "z"]),
        ("a.CSV", "\ufeffx,y\n1,2\n", 1, 2, ["x", "y"]),
        ("a.csv", 'x,"long ""name"", here"\n1,"two\nlines"\n2,"a ""b\n"" c"\n', 2, 2, ["x", 'long "name", here']),
        ("a.csv", '"x\ny",z\n1,2\n', 1, 2, ["x\ny", "z"]),
        ("a.csv", "x,x\n1,2\n", 1, 2, ["x", "x.1"]),
        ("a.tsv", "x\ty,z\n1\t2\n", 1, 2, ["x", "y,z"]),
        ("a.csv", 'x,y\n1,5" pipe\n', None, None, []),
        ("a.csv", "x,y\n", 0, 2, ["x", "y"]),
        ("a.txt", "x,y\n1,2\n", None, None, []),
    ],
)
def test_the_shape_of_delimited_files(
    tmp_path: Path, name: str, text: str, rows: int | None, columns: int | None, names: list[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode())
    one = describe(path)
    assert (one.rows, one.columns, list(one.schema)) == (rows, columns, names)
    assert set(one.schema.values()) <= {None}


def test_no_shape_for_other_encodings_and_no_names_of_a_very_wide_table(tmp_path: Path) -> None:
    (tmp_path / "utf16.csv").write_bytes("x,y\n1,2\n".encode("utf-16"))
    assert describe(tmp_path / "utf16.csv").rows is None
    wide = ",".join(f"c{n}" for n in range(MAX_SCHEMA_COLUMNS + 1))
    (tmp_path / "wide.csv").write_text(f"{wide}\n")
    one = describe(tmp_path / "wide.csv")
    assert (one.rows, one.columns, one.schema) == (0, MAX_SCHEMA_COLUMNS + 1, {})


fields = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=8)


@given(st.lists(st.tuples(fields, fields, st.integers()), min_size=1, max_size=20))
def test_rows_of_what_pandas_writes(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, int]]) -> None:
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    pd.DataFrame(rows, columns=["first", "second", "n"]).to_csv(path, index=False)
    one = describe(path)
    assert (one.rows, one.columns) == (len(rows), 3)


def test_rows_are_counted_across_blocks(tmp_path: Path) -> None:
    path = tmp_path / "big.csv"
    line = 'a,"' + "x\n" * 50 + '"\n'
    path.write_text("name,text\n" + line * 30_000)
    assert describe(path).rows == 30_000


def test_parquet_has_a_shape_where_pyarrow_is_installed(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(PARQUET)
    (tmp_path / "damaged.parquet").write_bytes(PARQUET[:100])
    known = (3, 2, {"x": "int64", "y": "string"}) if find_spec("pyarrow") else (None, None, {})
    one = describe(tmp_path / "t.parquet")
    assert (one.rows, one.columns, one.schema) == known
    assert one.size == len(PARQUET)
    assert describe(tmp_path / "damaged.parquet").rows is None


# --- directories -----------------------------------------------------------------------------------------------------


def tree(top: Path) -> Path:
    (top / "b" / "deep").mkdir(parents=True)
    (top / "empty").mkdir()
    (top / "a.txt").write_text("one")
    (top / "b" / "deep" / "x.txt").write_text("two")
    (top / "b.txt").write_text("three")
    (top / "link").symlink_to("/nowhere/else")
    return top


def test_a_directory_follows_its_recipe(tmp_path: Path) -> None:
    one = describe(tree(tmp_path / "data"))
    records = [b"gtrack-directory-1\n"]
    for path, content in [("a.txt", b"one"), ("b.txt", b"three"), ("b/deep/x.txt", b"two")]:
        records.append(f"file {hashlib.sha256(content).hexdigest()} {path}\0".encode())
    records.append(b"link /nowhere/else link\0")
    assert one.digest == f"sha256:{hashlib.sha256(b''.join(records)).hexdigest()}"
    assert (one.name, one.kind, one.size, one.rows) == ("data", "directory", 11, None)


def test_a_directory_is_its_content_and_not_its_place_or_times(tmp_path: Path) -> None:
    first, second = tree(tmp_path / "one"), tree(tmp_path / "two")
    os.utime(second / "a.txt", (0, 0))
    (second / "a.txt").chmod(0o600)
    assert digest(first) == digest(second)
    (tmp_path / "shortcut").symlink_to(first)
    assert digest(tmp_path / "shortcut") == digest(first)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda top: (top / "a.txt").write_text("One"), id="content"),
        pytest.param(lambda top: (top / "a.txt").rename(top / "c.txt"), id="name"),
        pytest.param(lambda top: (top / "new").touch(), id="more"),
        pytest.param(lambda top: (top / "b.txt").unlink(), id="less"),
        pytest.param(lambda top: ((top / "link").unlink(), (top / "link").symlink_to("/nowhere")), id="link"),
    ],
)
def test_every_change_of_a_directory_is_seen(tmp_path: Path, change: Any) -> None:
    top = tree(tmp_path / "data")
    before = digest(top)
    change(top)
    assert digest(top) != before


def test_a_link_out_of_the_tree_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "secret.txt"
    outside.write_text("a")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link").symlink_to(outside)
    before = describe(tmp_path / "data")
    outside.write_text("b")
    assert describe(tmp_path / "data") == before
    assert before.size == 0


def test_names_that_are_no_text_are_fine(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path / "data") + b"/\xff\xfe")).write_text("x")
    assert describe(tmp_path / "data").size == 1


# --- paths that have no version --------------------------------------------------------------------------------------


def test_a_missing_path(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"nothing\.csv does not exist"):
        describe(tmp_path / "nothing.csv")
    with pytest.raises(ArtifactError, match="cannot be read"):
        describe("a\0b")


def test_an_address(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"^https://example\.org/d\.csv is no local path") as caught:
        describe("https://me:pw@example.org/d.csv")
    assert "pw" not in str(caught.value)


def test_a_pipe_a_socket_and_a_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArtifactError, match="pipe is a named pipe"):
        describe(tmp_path / "pipe")
    with pytest.raises(ArtifactError, match="null is a device"):
        describe("/dev/null")
    with pytest.raises(ArtifactError, match="pipe is a named pipe: a directory"):
        describe(tmp_path)
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.sock")
        with pytest.raises(ArtifactError, match=r"s\.sock is a socket"):
            describe("s.sock")


def test_what_cannot_be_read(tmp_path: Path) -> None:
    directory = tmp_path / "loop"
    directory.symlink_to(directory)
    with pytest.raises(ArtifactError, match="cannot be read"):
        describe(directory)
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match="cannot be read"):
        describe(tmp_path / "file" / "below")


def test_a_file_that_is_still_growing(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b"x,y\n1,2\n")

    def write_more(block: memoryview) -> None:
        if len(block) < 20:
            with path.open("ab") as file:
                file.write(b"3,4\n" * 10)

    with pytest.raises(ArtifactError, match=r"log\.csv was written to while it was read"):
        digest_file(path, write_more)


# --- frames ----------------------------------------------------------------------------------------------------------


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "n": [1, 2, 3],
            "x": [0.5, np.nan, -0.0],
            "b": [True, False, True],
            "s": ["a", None, "ü\n"],
            "c": pd.Categorical(["u", "v", "u"], categories=["v", "u"]),
            "t": pd.to_datetime(pd.Series(["1969-12-31T23:59:59.5", None, "2020-02-29"]), format="ISO8601"),
            "z": pd.to_datetime(pd.Series(["2020-01-01", None, "2021-01-01"])).dt.tz_localize("Europe/Berlin"),
            "d": pd.to_timedelta([-1500, None, 86_400_000], unit="ms"),
            "i": pd.array([1, None, 3], dtype="Int64"),
            "o": [Decimal("1.5"), [1, 2], {"k": (1, None)}],
        }
    )


# Written down so that a change of the recipe, or a pandas or numpy that behaves in another way, is seen.
FRAME_DIGEST = "sha256:ef8fb54b652987653d31304ab0f4ed0aebdcdd06d17e1f78b48ccf169c5f6f1b"
ARRAY_DIGEST = "sha256:1774304d792a4bb672c08926da5cd55ae5466f8d06c7ededed1174528ed2897d"
ROWS_DIGEST = "sha256:df1cfb77dc1a86ddabb0a2b0857fe533f46ac6266c596ba339b5474af8fa5fb9"


def test_the_digest_of_a_frame_is_written_in_stone() -> None:
    one = describe(frame(), "train", "warehouse")
    assert one.digest == FRAME_DIGEST
    assert (one.name, one.kind, one.source, one.rows, one.columns) == ("train", "dataframe", "warehouse", 3, 10)
    assert list(one.schema) == list("nxbsctzdio")
    assert one.schema["n"] == "int64"
    assert one.schema["i"] == "Int64"


def test_the_digest_of_a_frame_is_the_same_in_another_process(tmp_path: Path) -> None:
    frame().to_pickle(tmp_path / "f.pickle")
    program = (
        "import sys, pandas; from gtrack.capture.data import describe; "
        "print(describe(pandas.read_pickle(sys.argv[1])).digest)"
    )
    env = {**os.environ, "PYTHONHASHSEED": "7"}
    command = [sys.executable, "-c", program, str(tmp_path / "f.pickle")]
    assert subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.strip() == FRAME_DIGEST


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda f: f.rename(columns={"n": "m"}), id="column-name"),
        pytest.param(lambda f: f[[*f.columns[1:], "n"]], id="column-order"),
        pytest.param(lambda f: f.assign(n=[1, 2, 4]), id="value"),
        pytest.param(lambda f: f.assign(n=f.n.astype("int32")), id="narrower"),
        pytest.param(lambda f: f.assign(n=f.n.astype(float)), id="other-type"),
        pytest.param(lambda f: f.assign(x=[0.5, np.nan, 0.0]), id="minus-zero"),
        pytest.param(lambda f: f.assign(x=[0.5, 0.0, -0.0]), id="missing"),
        pytest.param(lambda f: f.assign(b=[1, 0, 1]), id="bool-or-int"),
        pytest.param(lambda f: f.assign(s=["a", "", "ü\n"]), id="empty-text"),
        pytest.param(lambda f: f.assign(s=["a", None, "ü\r"]), id="text"),
        pytest.param(lambda f: f.assign(c=f.c.cat.reorder_categories(["u", "v"])), id="category-order"),
        pytest.param(lambda f: f.assign(c=f.c.cat.as_ordered()), id="ordered"),
        pytest.param(lambda f: f.assign(t=f.t + pd.Timedelta("1ns")), id="nanosecond"),
        pytest.param(lambda f: f.assign(z=f.z.dt.tz_convert("UTC")), id="zone"),
        pytest.param(lambda f: f.assign(d=-f.d), id="sign"),
        pytest.param(lambda f: f.assign(i=pd.array([1, 0, 3], dtype="Int64")), id="not-missing"),
        pytest.param(lambda f: f.assign(o=[Decimal("1.50"), [1, 2], {"k": (1, None)}]), id="object"),
        pytest.param(lambda f: f.iloc[::-1], id="row-order"),
        pytest.param(lambda f: f.iloc[:2], id="fewer-rows"),
        pytest.param(lambda f: f.rename_axis("id"), id="index-name"),
        pytest.param(lambda f: f.set_axis(["a", "b", "c"]), id="text-index"),
        pytest.param(
            lambda f: f.set_axis(pd.MultiIndex.from_tuples([(1, "a"), (2, "b"), (3, "c")])), id="two-level-index"
        ),
    ],
)
def test_every_change_of_a_frame_is_seen(change: Any) -> None:
    assert digest(change(frame())) != FRAME_DIGEST


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda f: f.copy(), id="copy"),
        pytest.param(lambda f: f.set_axis([7, 3, 9]), id="row-numbers"),
        pytest.param(lambda f: f.assign(s=f.s.astype(object)), id="object-text"),
        pytest.param(lambda f: f.assign(s=f.s.astype("string")), id="string-text"),
        pytest.param(lambda f: f.assign(x=f.x.astype("Float64")), id="nullable-float"),
        pytest.param(lambda f: f.assign(n=f.n.astype("Int64")), id="nullable-int"),
        pytest.param(lambda f: f.assign(b=f.b.astype("boolean")), id="nullable-bool"),
        pytest.param(lambda f: f.assign(t=f.t.dt.as_unit("ns"), d=f.d.dt.as_unit("us")), id="time-units"),
        pytest.param(lambda f: f.assign(o=[Decimal("1.5"), np.array([1, 2]), {"k": [1, None]}]), id="equal-objects"),
        pytest.param(lambda f: pd.concat([f, f]).iloc[3:], id="joined"),
        pytest.param(lambda f: f.iloc[::-1].iloc[::-1], id="turned-twice"),
    ],
)
def test_what_is_no_change_of_a_frame_is_not_seen(change: Any) -> None:
    assert digest(change(frame())) == FRAME_DIGEST


def test_other_kinds_of_columns() -> None:
    odd = pd.DataFrame(
        {
            "period": pd.period_range("2020", periods=2, freq="M"),
            "interval": pd.interval_range(0, 2),
            "sparse": pd.arrays.SparseArray([0.0, 1.0]),
            "complex": [1j, 2.0],
            "long": np.array([1, 2], dtype=np.longdouble),
            "half": np.array([1, np.nan], dtype=np.float16),
            "none": [None, None],
            "mixed": [1, "1"],
        }
    )
    assert digest(odd) == digest(odd.copy())
    for column in odd.columns:
        assert digest(odd[[column]]) != digest(odd[[column]].iloc[:1])
    assert digest(odd.assign(sparse=[0.0, 1.0])) == digest(odd)
    assert digest(odd.assign(mixed=["1", 1])) != digest(odd)
    assert digest(odd.assign(period=pd.period_range("2020", periods=2, freq="Q"))) != digest(odd)


def test_lengths_keep_texts_apart() -> None:
    assert digest(pd.DataFrame({"s": ["ab", "c"]})) != digest(pd.DataFrame({"s": ["a", "bc"]}))
    assert digest(pd.DataFrame({"a": ["b"]})) != digest(pd.DataFrame({"ab": [""]}))


def test_column_names_of_any_kind() -> None:
    values = np.zeros((1, 2))
    names: list[Any] = [["a", "b"], [0, 1], ["0", "1"], ["a", "a"], [("a", 1), ("a", 2)], [None, 1.5]]
    digests = {digest(pd.DataFrame(values, columns=pd.Index(columns, dtype=object))) for columns in names}
    assert len(digests) == len(names)
    assert describe(pd.DataFrame(values, columns=["a", "a"])).schema == {"a": "float64", "a.1": "float64"}


def test_series_and_index() -> None:
    series = pd.Series([1.5, 2.5], name="y")
    one = describe(series)
    assert (one.name, one.kind, one.rows, one.columns, one.schema) == ("y", "dataframe", 2, 1, {"y": "float64"})
    assert one.digest == digest(series.to_frame())
    assert describe(pd.Series([1.5])).name == "dataframe"
    assert describe(pd.Index([1.5, 2.5], name="y")).digest == one.digest


def test_a_wide_frame_has_no_schema() -> None:
    one = describe(pd.DataFrame(np.zeros((2, MAX_SCHEMA_COLUMNS + 1))))
    assert (one.columns, one.schema) == (MAX_SCHEMA_COLUMNS + 1, {})


def test_empty_frames() -> None:
    assert describe(pd.DataFrame()).rows == 0
    assert digest(pd.DataFrame({"x": []})) != digest(pd.DataFrame({"y": []}))


def test_objects_without_content_are_refused_by_column() -> None:
    with pytest.raises(InvalidValue, match=r"Column 'model': builtins\.object objects have no content"):
        describe(pd.DataFrame({"model": [object()]}))


# --- arrays, matrices, lists -----------------------------------------------------------------------------------------


def test_the_digest_of_an_array_is_written_in_stone() -> None:
    one = describe(np.arange(12.0).reshape(3, 2, 2), "X")
    assert one.digest == ARRAY_DIGEST
    assert (one.name, one.kind, one.rows, one.columns, one.size) == ("X", "array", 3, 4, 96)
    assert one.schema == {"dtype": "float64", "shape": [3, 2, 2]}


def test_the_layout_of_an_array_does_not_matter() -> None:
    array = np.arange(12.0).reshape(3, 2, 2)
    assert digest(np.asfortranarray(array)) == ARRAY_DIGEST
    assert digest(array.astype(">f8")) == ARRAY_DIGEST
    assert digest(np.repeat(array, 2, axis=0)[::2]) == ARRAY_DIGEST
    assert digest(array.astype("f4")) != ARRAY_DIGEST
    assert digest(array.reshape(3, 4)) != ARRAY_DIGEST
    assert digest(array[::-1]) != ARRAY_DIGEST


def test_a_memory_map_is_an_array(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(12.0).reshape(3, 2, 2))
    assert digest(np.load(tmp_path / "x.npy", mmap_mode="r")) == ARRAY_DIGEST


def test_chunks_do_not_matter() -> None:
    big = np.random.default_rng(0).normal(size=(700_000, 3))
    assert digest(big) == digest(np.asfortranarray(big))
    header = f"gtrack-array-1\n<f8 {big.shape}\n".encode()
    assert digest(big) == f"sha256:{hashlib.sha256(header + big.tobytes()).hexdigest()}"


def test_every_nan_is_the_same() -> None:
    other = np.array([0x7FF8000000000001, 0xFFF8000000000000], dtype="u8").view("f8")
    assert digest(other) == digest(np.array([np.nan, np.nan]))
    assert digest(other * (1 + 0j)) == digest(np.array([complex(np.nan, np.nan)] * 2))
    assert digest(np.array([0.0])) != digest(np.array([-0.0]))


@pytest.mark.parametrize(
    "array",
    [
        np.array(3),
        np.zeros((0, 4)),
        np.array(["a", "bb"]),
        np.array([b"a", b"bb"]),
        np.array(["a", 1, None], dtype=object),
        np.array([(1, 2.0)], dtype=[("n", "i4"), ("x", "f8")]),
        np.array(["2020", "NaT"], dtype="M8[D]"),
        np.array([True, False]),
        np.array([1.5], dtype=np.longdouble),
    ],
)
def test_arrays_of_every_kind(array: np.ndarray[Any, Any]) -> None:
    one = describe(array)
    assert one.digest == digest(array.copy())
    assert one.rows == (len(array) if array.ndim else None)
    assert one.columns == (4 if array.ndim > 1 else None)


def test_padding_does_not_count() -> None:
    kind = np.dtype([("n", "i1"), ("x", "f8")], align=True)
    first, second = np.frombuffer(b"\1" * 16, dtype=kind), np.frombuffer(b"\1" + b"\7" * 7 + b"\1" * 8, dtype=kind)
    assert digest(first) == digest(second)


def test_masked_arrays_are_refused() -> None:
    with pytest.raises(InvalidValue, match="masked"):
        describe(np.ma.masked_array([1, 2], [True, False]))


def test_sparse_matrices() -> None:
    dense = np.array([[0, 1.5], [2.5, 0], [0, 0]])
    matrix = scipy.sparse.csr_matrix(dense)
    one = describe(matrix)
    assert (one.kind, one.rows, one.columns) == ("array", 3, 2)
    assert one.schema == {"dtype": "float64", "shape": [3, 2], "format": "sparse"}
    for same in (matrix.tocsc(), matrix.tocoo(), scipy.sparse.csr_array(dense), matrix.tolil()):
        assert digest(same) == one.digest
    twice = scipy.sparse.coo_matrix(([1.0, 0.5, 2.5], ([0, 0, 1], [1, 1, 0])), shape=(3, 2))
    assert digest(twice) == one.digest
    assert digest(2 * matrix) != one.digest
    assert digest(scipy.sparse.csr_matrix(dense.T)) != one.digest


def test_lists_of_rows() -> None:
    rows = [[1, 2.0, "a"], [None, True, "ü\n"]]
    one = describe(rows)
    assert one.digest == ROWS_DIGEST
    assert (one.name, one.kind, one.rows, one.columns, one.schema) == ("array", "array", 2, 3, {"shape": [2, 3]})
    assert digest([[np.int64(1), np.float64(2), "a"], (None, np.True_, "ü\n")]) == ROWS_DIGEST
    assert digest([[1, 2, "a"], [None, True, "ü\n"]]) != ROWS_DIGEST
    assert describe([[1], [1, 2]]).columns is None
    assert describe([]).rows == 0
    assert describe([{"a": 1}, {"a": 2}]).columns == 1


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(string.printable, max_size=5),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=8,
)


def tagged(value: object) -> object:
    """Return ``value`` so that ``==`` tells 1, 1.0 and True apart, and 0.0 from -0.0."""
    return [tagged(item) for item in value] if isinstance(value, list) else (type(value).__name__, repr(value))


@given(st.lists(values, max_size=4), st.lists(values, max_size=4))
def test_lists_have_the_same_digest_only_when_they_are_the_same(first: list[object], second: list[object]) -> None:
    assert (digest(first) == digest(second)) == (tagged(first) == tagged(second))


def test_what_numpy_can_see_is_an_array() -> None:
    class Tensor:
        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray[Any, Any]:
            return np.arange(12.0).reshape(3, 2, 2)

    assert digest(Tensor()) == ARRAY_DIGEST


@pytest.mark.parametrize("data", [object(), None, 3, {"a": [1]}, b"bytes", lambda: None])
def test_anything_else_is_refused(data: object) -> None:
    with pytest.raises(InvalidValue, match="cannot take the version of a"):
        describe(data)


def test_nothing_heavy_is_imported_for_a_path(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    program = (
        "import sys; from gtrack.capture.data import describe; describe('a.csv'); describe([[1]]); "
        "print([m for m in ('numpy', 'pandas', 'scipy', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
