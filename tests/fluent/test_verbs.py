"""What is logged, verb by verb, with good and bad input."""

from __future__ import annotations

import inspect
import io
import json
import math
import os
import threading
import time
import warnings
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import gtrack
from gtrack.errors import (
    ArtifactError,
    ArtifactNotFound,
    GTrackError,
    InvalidName,
    InvalidPath,
    InvalidValue,
    ParamConflict,
)

Stored = Callable[[str, str], Any]


@pytest.fixture
def run(quiet: Path) -> gtrack.ActiveRun:
    return gtrack.start_run("it")


def ended(run: gtrack.ActiveRun) -> gtrack.Run:
    assert gtrack.end_run() is not None
    return gtrack.get_run(run.id)


def test_every_public_name_is_documented() -> None:
    for name in gtrack.__all__:
        thing = getattr(gtrack, name)
        if name == "__version__":
            continue
        text = inspect.getdoc(thing) or ""
        assert len(text.split("\n")[0]) > 20, name
        assert text.split("\n")[0].endswith((".", ":")), name


# What takes nothing, or raises nothing but bugs.
RAISES_NOTHING = {
    "active_run",
    "disable_system_metrics_logging",
    "enable_system_metrics_logging",
    "flush_artifact_async_logging",
    "flush_async_logging",
    "is_tracking_uri_set",
    "last_active_run",
}


@pytest.mark.parametrize("name", [name for name in gtrack.__all__ if inspect.isfunction(getattr(gtrack, name))])
def test_every_verb_tells_its_arguments_and_errors(name: str) -> None:
    verb = getattr(gtrack, name)
    text = inspect.getdoc(verb) or ""
    parameters = list(inspect.signature(verb).parameters)
    if parameters:
        told = text.partition("Args:\n")[2].partition("\n\n")[0]
        assert [
            line.split(":")[0].strip() for line in told.split("\n") if line.startswith("    ") and line[4] != " "
        ] == parameters
    assert ("Raises:\n" in text) == (name not in RAISES_NOTHING)


def test_params(run: gtrack.ActiveRun, stored: Stored) -> None:
    gtrack.log_param("lr", 1e-5)
    gtrack.log_params(
        {
            "n": np.int64(3),
            "x": np.float32(0.5),
            "on": np.bool_(True),
            "none": None,
            "text": "no",
            "sizes": (1, 2),
            "opt": {"name": "adam", "betas": [0.9, 0.999]},
            "a/b c😀": "é",
        }
    )
    gtrack.log_params({"opt": {"weight_decay": 0.1}})
    gtrack.log_param("lr", 1e-5)
    expected = {
        "lr": 1e-5,
        "n": 3,
        "x": 0.5,
        "on": True,
        "none": None,
        "text": "no",
        "sizes": [1, 2],
        "opt": {"name": "adam", "betas": [0.9, 0.999], "weight_decay": 0.1},
        "a/b c😀": "é",
    }
    assert gtrack.get_run(run.id).params == expected
    assert ended(run).params == expected
    assert stored(run.id, "params.yaml") == expected
    assert list(stored(run.id, "params.yaml")) == list(expected)


def test_a_parameter_has_one_value(run: gtrack.ActiveRun) -> None:
    gtrack.log_param("lr", 0.1)
    with pytest.raises(ParamConflict, match=r"'lr' is already 0.1 .* cannot become 0.2"):
        gtrack.log_params({"epochs": 5, "lr": 0.2})
    with pytest.raises(ValueError, match="cannot become"):
        gtrack.log_param("lr", "0.1")
    gtrack.log_param("epochs", 6)
    assert ended(run).params == {"lr": 0.1, "epochs": 6}


@pytest.mark.parametrize("key", ["", "a\nb", "x" * 300, " a", "\x00", 5, None], ids=lambda key: repr(key)[:8])
def test_names_that_cannot_be(run: gtrack.ActiveRun, key: Any) -> None:
    calls: list[Callable[[], object]] = [
        lambda: gtrack.log_param(key, 1),
        lambda: gtrack.log_params({"good": 1, key: 1}),
        lambda: gtrack.log_metric(key, 1),
        lambda: gtrack.log_metrics({"good": 1.0, key: 1.0}, step=1),
        lambda: gtrack.define_metric(key),
        lambda: gtrack.set_tag(key, 1),
        lambda: gtrack.set_tags({"good": 1, key: 1}),
        lambda: gtrack.log_input([[1]], name=key or "\n"),
    ]
    for call in calls:
        with pytest.raises(InvalidName):
            call()
    found = ended(run)
    assert (found.params, found.metrics, found.tags, found.inputs) == ({}, {}, {}, ())


@pytest.mark.parametrize(
    "key", ["a/b", "..", "naïve 😀", "a: b", "- x", "#", "null", "1e5", "x" * 250, "é" * 200, "a.b"], ids=ascii
)
def test_odd_names_are_kept(run: gtrack.ActiveRun, stored: Stored, key: str) -> None:
    gtrack.log_param(key, 1)
    gtrack.log_metric(key, 2)
    gtrack.log_metric(key, 3.5, step=1)
    gtrack.set_tag(key, "t")
    found = ended(run)
    assert (found.params, found.metrics, found.tags) == ({key: 1}, {key: 3.5}, {key: "t"})
    assert stored(run.id, "history.yaml")[0][key] == 3.5


def test_metrics_with_and_without_steps(run: gtrack.ActiveRun, stored: Stored) -> None:
    gtrack.log_metric("final", 0.5)
    gtrack.log_metric("loss", 1, step=0)
    gtrack.log_metrics({"loss": np.float32(0.5), "n": np.int64(7)}, step=np.int64(1))
    gtrack.log_metrics({"loss": 0.25, "ok": True}, step=2.5)
    gtrack.log_metrics({"loss": 0.75}, step=-1)
    gtrack.log_metrics({})
    gtrack.log_metrics({}, step=3)
    expected = {"final": 0.5, "loss": 0.75, "n": 7, "ok": 1}
    assert gtrack.get_run(run.id).metrics == expected
    assert ended(run).metrics == expected
    rows = stored(run.id, "history.yaml")
    assert [row["step"] for row in rows] == [0, 1, 2.5, -1]
    assert [row["loss"] for row in rows] == [1, 0.5, 0.25, 0.75]
    assert stored(run.id, "metrics.yaml") == expected


def test_the_last_value_counts_whether_it_had_a_step_or_not(run: gtrack.ActiveRun, stored: Stored) -> None:
    gtrack.log_metrics({"a": 1.0, "b": 1.0})
    gtrack.log_metric("a", 2.0, step=0)
    assert gtrack.get_run(run.id).metrics == {"a": 2.0, "b": 1.0}
    gtrack.log_metric("b", 3.0, step=0)
    gtrack.log_metric("b", 4.0)
    from_files = gtrack.get_run(run.id).metrics
    assert from_files == {"a": 2.0, "b": 4.0}
    assert ended(run).metrics == from_files


def test_many_metrics_without_steps_are_no_burden(run: gtrack.ActiveRun) -> None:
    for value in range(20_000):
        gtrack.log_metric("loss", value / 7)
    assert gtrack.get_run(run.id).metrics == {"loss": 19_999 / 7}
    done = ended(run)
    assert (done.metrics, done.warnings, done.problems) == ({"loss": 19_999 / 7}, (), ())


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float64("nan")], ids=repr)
def test_nan_and_inf_are_kept_with_one_warning(run: gtrack.ActiveRun, stored: Stored, value: float) -> None:
    with pytest.warns(UserWarning, match=rf"metric 'loss' of run it is {float(value)} at step 3") as told:
        gtrack.log_metric("loss", value, step=3)
    assert told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gtrack.log_metric("loss", value, step=4)
    assert repr(ended(run).metrics) == repr({"loss": float(value)})
    assert [repr(row["loss"]) for row in stored(run.id, "history.yaml")] == [repr(float(value))] * 2


@pytest.mark.parametrize(
    "value",
    ["0.5", None, [1], {"a": 1}, 1j, b"1", 10**400, np.array([1, 2]), np.datetime64("now"), object],
    ids=lambda v: str(v)[:9],
)
def test_what_is_no_metric(run: gtrack.ActiveRun, value: Any) -> None:
    calls: list[Callable[[], object]] = [
        lambda: gtrack.log_metric("m", value),
        lambda: gtrack.log_metric("m", value, step=1),
        lambda: gtrack.log_metrics({"good": 1.0, "m": value}, step=1),
    ]
    for call in calls:
        with pytest.raises(InvalidValue, match="metric 'm'"):
            call()
    assert ended(run).metrics == {}


@pytest.mark.parametrize("step", [math.nan, math.inf, "1", 2**70, [1]], ids=str)
def test_what_is_no_step(run: gtrack.ActiveRun, step: Any) -> None:
    with pytest.raises(InvalidValue, match="step"):
        gtrack.log_metric("m", 1.0, step=step)
    assert ended(run).metrics == {}


@pytest.mark.parametrize("name", ["step", "time"])
def test_the_columns_of_every_row_are_taken(run: gtrack.ActiveRun, stored: Stored, name: str) -> None:
    gtrack.log_metric(name, 5.0)
    for _ in range(2):
        with pytest.raises(InvalidName, match=f"{name}_value"):
            gtrack.log_metrics({name: 5.0}, step=1)
    assert ended(run).metrics == {name: 5.0}
    assert stored(run.id, "history.yaml") is None


@pytest.mark.parametrize("wrong", [[("a", 1.0)], "a", 5, None], ids=repr)
def test_what_is_no_mapping(run: gtrack.ActiveRun, wrong: Any) -> None:
    calls: list[Callable[[], object]] = [
        lambda: gtrack.log_metrics(wrong),
        lambda: gtrack.log_metrics(wrong, step=1),
        lambda: gtrack.log_params(wrong),
        lambda: gtrack.set_tags(wrong),
    ]
    for call in calls:
        with pytest.raises(InvalidValue, match="takes a mapping"):
            call()
    assert ended(run).metrics == {}


def test_time_stamps(run: gtrack.ActiveRun, stored: Stored) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone.utc)
    before = time.time()
    gtrack.log_metric("m", 1.0, step=0)
    after = time.time()
    gtrack.log_metric("m", 1.0, step=1, timestamp=moment)
    gtrack.log_metric("m", 1.0, step=2, timestamp=moment.timestamp())
    gtrack.log_metric("m", 1.0, step=3, timestamp=int(moment.timestamp() * 1000))
    with pytest.raises(InvalidValue, match="timestamp"):
        gtrack.log_metric("m", 1.0, step=4, timestamp=math.nan)
    gtrack.end_run()
    times = [row["time"] for row in stored(run.id, "history.yaml")]
    assert before - 1 <= times[0] <= after + 1
    assert times[1:] == pytest.approx([moment.timestamp()] * 3, abs=0.001)


VALUES = (0.5, 0.1, 0.9, 0.3)


@pytest.mark.parametrize("when", ["before", "between", "after"])
@pytest.mark.parametrize("stepless", [False, True])
def test_summaries(run: gtrack.ActiveRun, stored: Stored, when: str, stepless: bool) -> None:
    def define() -> None:
        gtrack.define_metric("low", "min")
        gtrack.define_metric("high", summary="max", goal="minimize")
        gtrack.define_metric("last", goal="maximize")

    if when == "before":
        define()
    for step, value in enumerate(VALUES):
        gtrack.log_metrics({"low": value, "high": value, "last": value}, step=None if stepless else step)
        if when == "between" and step == 1:
            define()
    if when == "after":
        define()
    expected = {"low": 0.1, "high": 0.9, "last": 0.3}
    assert gtrack.get_run(run.id).metrics == expected
    found = ended(run)
    assert found.metrics == expected
    assert [str(found.goal(name)) for name in expected] == ["minimize", "minimize", "maximize"]
    assert stored(run.id, "run.yaml")["metric_definitions"]["high"] == {"summary": "max", "goal": "minimize"}


def test_a_definition_can_be_changed(run: gtrack.ActiveRun) -> None:
    gtrack.define_metric("m", "min")
    for value in VALUES:
        gtrack.log_metric("m", value, step=0)
    gtrack.define_metric("m", "max")
    assert ended(run).metrics == {"m": 0.9}


@pytest.mark.parametrize(
    ("summary", "goal"), [("mean", None), ("MIN", None), ("last", "up"), (None, None), ("min", "min")]
)
def test_definitions_that_cannot_be(run: gtrack.ActiveRun, summary: Any, goal: Any) -> None:
    with pytest.raises(InvalidValue, match="'m'"):
        gtrack.define_metric("m", summary, goal)
    assert gtrack.get_run(run.id).metric_definitions == {}


def test_a_metric_that_was_nan_first(run: gtrack.ActiveRun) -> None:
    gtrack.define_metric("m", "min")
    with pytest.warns(UserWarning, match="nan"):
        gtrack.log_metric("m", math.nan, step=0)
    gtrack.log_metric("m", 2.0, step=1)
    gtrack.log_metric("m", 3.0, step=2)
    assert ended(run).metrics == {"m": 2.0}


def test_tags_and_notes(run: gtrack.ActiveRun) -> None:
    gtrack.set_tag("n", 5)
    gtrack.set_tags({"ok": True, "x": None, "text": "a\nb", "big": 10**30})
    gtrack.set_tag("n", 6)
    gtrack.set_notes("first")
    gtrack.set_notes("second\n\nline: x\n")
    found = ended(run)
    assert found.tags == {"n": "6", "ok": "True", "x": "None", "text": "a\nb", "big": "1" + "0" * 30}
    assert found.notes == "second\n\nline: x\n"


def test_notes_can_be_taken_away(run: gtrack.ActiveRun) -> None:
    gtrack.set_notes("x")
    with pytest.raises(InvalidValue, match="notes must be text"):
        gtrack.set_notes(5)  # type: ignore[arg-type]
    assert gtrack.get_run(run.id).notes == "x"
    gtrack.set_notes(None)
    assert ended(run).notes is None


def test_artifacts(run: gtrack.ActiveRun, tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"\x00\xff")
    (tmp_path / "tree" / "sub").mkdir(parents=True)
    (tmp_path / "tree" / "a.txt").write_text("a")
    (tmp_path / "tree" / "sub" / "é b.txt").write_text("b")
    (tmp_path / "link").symlink_to(tmp_path / "model.pkl")
    gtrack.log_artifact(tmp_path / "model.pkl")
    gtrack.log_artifact(str(tmp_path / "model.pkl"), artifact_path="models")
    gtrack.log_artifact(tmp_path / "model.pkl", Path("models/deep/"))
    gtrack.log_artifact(tmp_path / "link")
    gtrack.log_artifacts(tmp_path / "tree")
    gtrack.log_artifacts(str(tmp_path / "tree"), artifact_path="copy")
    expected = [
        "a.txt",
        "copy/a.txt",
        "copy/sub/é b.txt",
        "link",
        "model.pkl",
        "models/deep/model.pkl",
        "models/model.pkl",
    ]
    for _ in range(2):
        assert gtrack.get_artifact(run.id, "models/model.pkl") == b"\x00\xff"
        assert gtrack.get_artifact("it", Path("copy/sub/é b.txt")) == b"b"
        assert gtrack.get_artifact("it", "link") == b"\x00\xff"
        with pytest.raises(ArtifactNotFound, match=r"Did you mean 'model\.pkl'") as caught:
            gtrack.get_artifact("it", "model.pk")
        assert all(path in str(caught.value) for path in expected)
        gtrack.end_run()


def test_an_artifact_is_replaced(run: gtrack.ActiveRun) -> None:
    gtrack.log_text("one", "a.txt")
    gtrack.log_text("two", "a.txt")
    gtrack.end_run()
    assert gtrack.get_artifact("it", "a.txt") == b"two"


def test_artifacts_that_cannot_be_taken(run: gtrack.ActiveRun, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "good").write_text("x")
    os.mkfifo(tmp_path / "tree" / "pipe")
    for path, why in (
        (tmp_path / "missing", "does not exist"),
        (tmp_path, r"is a directory. Log all of it with log_artifacts"),
        (Path(), "is a directory"),
        (tmp_path / "pipe", "is a named pipe, not a file"),
        (tmp_path / "broken", "is a link to .*nowhere, which does not exist"),
        (Path("/dev/null"), "is a device"),
    ):
        with pytest.raises(ArtifactError, match=why) as caught:
            gtrack.log_artifact(path)
        assert isinstance(caught.value, OSError)
    for path, why in (
        (tmp_path / "missing", "does not exist"),
        (tmp_path / "tree" / "good", "log a file with log_artifact"),
        (tmp_path / "tree", "is a named pipe"),
    ):
        with pytest.raises(ArtifactError, match=why):
            gtrack.log_artifacts(path)
    gtrack.end_run()
    with pytest.raises(ArtifactNotFound, match="has no artifacts"):
        gtrack.get_artifact("it", "good")


def test_a_file_that_is_still_growing(run: gtrack.ActiveRun, tmp_path: Path) -> None:
    growing = tmp_path / "growing.log"
    growing.write_bytes(b"x" * 30_000_000)
    stop = threading.Event()

    def grow() -> None:
        with growing.open("ab", buffering=0) as out:
            while not stop.is_set():
                out.write(b"y")
                time.sleep(0.0005)

    writer = threading.Thread(target=grow)
    writer.start()
    caught: ArtifactError | None = None
    try:
        for _ in range(100):  # a busy machine may let the copy through between two writes
            try:
                gtrack.log_artifact(growing)
            except ArtifactError as error:
                caught = error
                break
    finally:
        stop.set()
        writer.join()
    assert "changed while it was copied" in str(caught)
    assert not list(run.directory.glob(".*.part"))


ESCAPES = ["../x", "/etc/x", "a/../../x", "a\\b", "C:/x", ".git/config", "a\nb", "", "a//b", ".", ".gitattributes"]


@pytest.mark.parametrize("path", ESCAPES, ids=repr)
def test_paths_that_escape(run: gtrack.ActiveRun, path: str) -> None:
    readme = Path("README.md")
    calls: list[Callable[[], object]] = [
        lambda: gtrack.log_text("x", path),
        lambda: gtrack.log_dict({"a": 1}, path),
        lambda: gtrack.log_table({"a": [1]}, f"{path}"),
        lambda: gtrack.log_image(np.zeros((2, 2)), path),
        lambda: gtrack.log_figure(object(), path),
        *([lambda: gtrack.log_artifact(readme, path)] if path not in {"", ".gitattributes"} else []),
        *([lambda: gtrack.log_artifacts(".gtrack", path)] if path not in {"", ".gitattributes"} else []),
    ]
    for call in calls:
        with pytest.raises((InvalidPath, InvalidValue)):
            call()
    assert not [path for path in run.directory.rglob("artifacts/**/*") if path.is_file()]


def test_a_path_through_a_file(run: gtrack.ActiveRun) -> None:
    gtrack.log_text("x", "a")
    with pytest.raises(InvalidPath, match="goes through"):
        gtrack.log_text("x", "a/b")
    gtrack.log_text("x", "d/e")
    with pytest.raises(InvalidPath, match="is a directory"):
        gtrack.log_text("x", "d")
    assert gtrack.get_artifact(run.id, "a") == b"x"


def test_text_and_dicts(run: gtrack.ActiveRun) -> None:
    gtrack.log_text("é\n", Path("a/report.md"))
    mapping = {"lr": np.float32(0.5), "n": (1, 2), "no": "no", "nested": {"x": None}}
    gtrack.log_dict(mapping, "config.yaml")
    gtrack.log_dict(mapping, "config.JSON")
    gtrack.log_dict([1, np.int64(2)], "list.json")  # type: ignore[arg-type]
    gtrack.end_run()
    assert gtrack.get_artifact("it", "a/report.md") == "é\n".encode()
    assert gtrack.get_artifact("it", "config.yaml") == b'lr: 0.5\n"n": [1, 2]\n"no": "no"\nnested:\n  x: null\n'
    assert json.loads(gtrack.get_artifact("it", "config.JSON")) == {
        "lr": 0.5,
        "n": [1, 2],
        "no": "no",
        "nested": {"x": None},
    }
    assert json.loads(gtrack.get_artifact("it", "list.json")) == [1, 2]


def test_texts_and_dicts_that_cannot_be(run: gtrack.ActiveRun) -> None:
    endless: dict[str, Any] = {}
    endless["self"] = endless
    calls: list[tuple[Callable[[], object], str]] = [
        (lambda: gtrack.log_text(b"x", "a"), "takes text, not bytes"),  # type: ignore[arg-type]
        (lambda: gtrack.log_text(None, "a"), "takes text"),  # type: ignore[arg-type]
        (lambda: gtrack.log_dict({"a": {1, 2}}, "a.yaml"), "set"),
        (lambda: gtrack.log_dict({"a": {1, 2}}, "a.json"), "set"),
        (lambda: gtrack.log_dict({(1, 2): 1}, "a.json"), r"a\.json"),  # type: ignore[dict-item]
        (lambda: gtrack.log_dict([1], "a.yaml"), "takes a mapping"),  # type: ignore[arg-type]
        (lambda: gtrack.log_dict(endless, "a.yaml"), "nested"),
        (lambda: gtrack.log_dict(endless, "a.json"), r"a\.json"),
    ]
    for call, why in calls:
        with pytest.raises(InvalidValue, match=why):
            call()
    assert not (run.directory / "artifacts").exists() or not list((run.directory / "artifacts").iterdir())


def test_tables(run: gtrack.ActiveRun) -> None:
    frame = pd.DataFrame({"name": ["a", "b"], "score": [0.5, np.nan]})
    gtrack.log_table(frame, "scores.csv")
    gtrack.log_table({"x": [1, 2], "y": ["a", None]}, "t/columns.json")
    gtrack.log_table([{"x": 1}, {"x": 2}], "rows.tsv")
    gtrack.end_run()
    assert gtrack.get_artifact("it", "scores.csv") == b"name,score\na,0.5\nb,\n"
    assert json.loads(gtrack.get_artifact("it", "t/columns.json")) == [{"x": 1, "y": "a"}, {"x": 2, "y": None}]
    assert gtrack.get_artifact("it", "rows.tsv") == b"x\n1\n2\n"


@pytest.mark.parametrize(
    ("data", "path"), [(5, "a.csv"), ({"a": [1], "b": [1, 2]}, "a.csv"), ({"a": [1]}, "a.xls"), ({"a": [1]}, "a")]
)
def test_tables_that_cannot_be(run: gtrack.ActiveRun, data: Any, path: str) -> None:
    with pytest.raises(InvalidValue):
        gtrack.log_table(data, path)


@pytest.mark.parametrize(
    ("image", "mode"),
    [
        (np.zeros((4, 6), np.uint8), "L"),
        (np.full((4, 6, 1), 0.5), "L"),
        (np.zeros((4, 6, 3), np.float32), "RGB"),
        (np.zeros((4, 6, 4), np.uint8), "RGBA"),
        (np.zeros((4, 6), bool), "L"),
        (Image.new("RGB", (6, 4)), "RGB"),
    ],
    ids=lambda value: f"{getattr(value, 'shape', '')}{getattr(value, 'dtype', value)}"[:30],
)
def test_images(run: gtrack.ActiveRun, image: Any, mode: str) -> None:
    gtrack.log_image(image, "samples/0.png")
    gtrack.end_run()
    found = Image.open(io.BytesIO(gtrack.get_artifact("it", "samples/0.png")))
    assert (found.format, found.size, found.mode) == ("PNG", (6, 4), mode)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((3, 4, 6)),
        np.zeros(5),
        np.zeros((0, 5)),
        np.full((2, 2), 1.5),
        np.zeros((2, 2), np.int64),
        "x.png",
        [[1]],
        None,
    ],
    ids=lambda value: f"{getattr(value, 'shape', value)}{getattr(value, 'dtype', '')}",
)
def test_images_that_cannot_be(run: gtrack.ActiveRun, image: Any) -> None:
    with pytest.raises(InvalidValue, match=r"image|An array"):
        gtrack.log_image(image, "a.png")


def test_figures(run: gtrack.ActiveRun) -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.add_subplot()
    axes.plot([1, 2])
    gtrack.log_figure(figure, "a/b.png")
    gtrack.log_figure(axes, Path("axes.svg"))
    gtrack.log_figure(figure, "no_suffix")

    class Plotly:
        def write_html(self, out: io.StringIO) -> None:
            out.write("<html>é</html>")

    gtrack.log_figure(Plotly(), "page.html")
    gtrack.end_run()
    assert gtrack.get_artifact("it", "a/b.png")[:4] == b"\x89PNG"
    assert b"<svg" in gtrack.get_artifact("it", "axes.svg")
    assert gtrack.get_artifact("it", "no_suffix.png")[:4] == b"\x89PNG"
    assert gtrack.get_artifact("it", "page.html") == "<html>é</html>".encode()


@pytest.mark.parametrize("figure", [None, 5, "fig", object()], ids=["none", "number", "text", "object"])
def test_no_figure(run: gtrack.ActiveRun, figure: Any) -> None:
    with pytest.raises(InvalidValue, match="is no figure"):
        gtrack.log_figure(figure, "a.png")


def test_inputs(run: gtrack.ActiveRun, tmp_path: Path, stored: Stored) -> None:
    (tmp_path / "train.csv").write_text("a,b\n1,2\n3,4\n")
    one = gtrack.log_input(tmp_path / "train.csv", source=tmp_path / "origin.csv")
    assert (one.name, one.kind, one.rows) == ("train.csv", "file", 2)
    gtrack.log_input(pd.DataFrame({"x": [1.0]}), name="frame", source="https://user:secret@host/x.csv")
    gtrack.log_input(np.zeros((5, 2)), name="array")
    again = gtrack.log_input(np.ones((7, 2)), name="array")
    found = ended(run)
    assert [one.name for one in found.inputs] == ["train.csv", "frame", "array"]
    assert (found.inputs[2].digest, found.inputs[2].rows) == (again.digest, 7)
    assert found.inputs[0].source == str(tmp_path / "origin.csv")
    assert "secret" not in str(found.inputs[1].source)
    assert stored(run.id, "inputs.yaml")["train.csv"]["rows"] == 2


def test_inputs_that_cannot_be(run: gtrack.ActiveRun, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError):
        gtrack.log_input(tmp_path / "missing")
    with pytest.raises(InvalidValue):
        gtrack.log_input(object())
    assert ended(run).inputs == ()


def test_params_of_a_script(run: gtrack.ActiveRun, monkeypatch: pytest.MonkeyPatch, stored: Stored) -> None:
    monkeypatch.setenv("GTRACK_GIVEN", '{"lr": 1, "epochs": 1e2, "layers": [3], "opt.m": 5, "name": 7}')
    p = gtrack.params(lr=0.01, epochs=10, layers=(1, 2), opt={"m": 0.5, "n": 1}, name="x", flag=True)
    assert p == SimpleNamespace(lr=1.0, epochs=100, layers=(3,), opt={"m": 5.0, "n": 1}, name="7", flag=True)
    assert (type(p.lr), type(p.epochs)) == (float, int)
    expected = {"lr": 1.0, "epochs": 100, "layers": [3], "opt": {"m": 5.0, "n": 1}, "name": "7", "flag": True}
    assert ended(run).params == expected


def test_params_take_the_words_that_were_typed(
    run: gtrack.ActiveRun, monkeypatch: pytest.MonkeyPatch, stored: Stored
) -> None:
    monkeypatch.setenv("GTRACK_GIVEN", '{"version": 7, "opt.tag": true, "n": 16}')
    monkeypatch.setenv("GTRACK_GIVEN_TEXTS", '{"version": "007", "opt.tag": "true", "n": "0x10"}')
    p = gtrack.params(version="1", opt={"tag": "a", "lr": 1}, n=3)
    assert p == SimpleNamespace(version="007", opt={"tag": "true", "lr": 1}, n=16)
    assert ended(run).params == {"version": "007", "opt": {"tag": "true", "lr": 1}, "n": 16}


def test_params_without_gtrack_run(run: gtrack.ActiveRun) -> None:
    assert gtrack.params(lr=0.01) == gtrack.params(lr=0.01) == SimpleNamespace(lr=0.01)
    with pytest.raises(ParamConflict):
        gtrack.params(lr=0.02)
    assert ended(run).params == {"lr": 0.01}


def test_params_of_another_kind(run: gtrack.ActiveRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GTRACK_GIVEN", '{"epochs": "many"}')
    with pytest.raises(InvalidValue, match=r"'epochs' is int \(10\); 'many' is str"):
        gtrack.params(lr=0.1, epochs=10)
    with pytest.raises(InvalidValue, match="parameter 'x'"):
        gtrack.params(x=object())
    assert ended(run).params == {}


def test_the_artifact_of_an_unknown_run(quiet: Path) -> None:
    with pytest.raises(GTrackError, match="No run 'nobody'"):
        gtrack.get_artifact("nobody", "a")
