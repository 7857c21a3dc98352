"""``gtrack models predict``: a batch from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression

from gtrack.models.directory import write_model
from gtrack.ops.model_trust import remember, trusted_file
from gtrack.project import Project
from gtrack.writer import ActiveRun
from tests.cli.conftest import RunCommand

FRAME = pd.DataFrame({"age": [20, 30, 40, 50], "wage": [1.5, 2.5, 3.5, 4.5]})
MODEL = RandomForestClassifier(3, random_state=0).fit(FRAME, [0, 0, 1, 1])


@pytest.fixture
def model(repo: Path) -> str:
    """Return the URI of a forest that was logged here."""
    project = Project.open(repo)
    run = ActiveRun.start(project, name="it")
    into = run.directory / "artifacts" / "model"
    into.mkdir(parents=True)
    remember(project.repo, write_model(MODEL, into, input_example=FRAME, run_id=run.id).digests)
    run.end()
    project.close()
    return "runs:/it/model"


def table(path: Path) -> pd.DataFrame:
    readers: dict[str, Any] = {".csv": pd.read_csv, ".json": pd.read_json, ".parquet": pd.read_parquet}
    found: pd.DataFrame = readers[path.suffix](path)
    return found


@pytest.mark.parametrize("suffix", [".csv", ".json", ".parquet"])
def test_predictions_are_one_row_for_each_row(gtrack: RunCommand, model: str, suffix: str) -> None:
    source, target = Path(f"in{suffix}"), Path(f"out{suffix}")
    given = FRAME.assign(more="x")[["more", "wage", "age"]]
    {".csv": lambda: given.to_csv(source, index=False), ".json": lambda: given.to_json(source, orient="records")}.get(
        suffix, lambda: given.to_parquet(source)
    )()
    done = gtrack("models", "predict", model, "--input", str(source), "--output", str(target))
    assert (done.code, done.out) == (0, "")
    assert done.err == f"4 predictions in {target}\n"
    assert table(target)["prediction"].tolist() == MODEL.predict(FRAME).tolist()


def test_stdout_is_csv(gtrack: RunCommand, model: str) -> None:
    FRAME.to_csv("in.csv", index=False)
    done = gtrack("models", "predict", model, "-i", "in.csv")
    assert (done.code, done.out, done.err) == (0, "prediction\n0\n0\n1\n1\n", "")


def test_several_outputs_are_several_columns(gtrack: RunCommand, repo: Path) -> None:
    directory = repo / "multi"
    directory.mkdir()
    write_model(LinearRegression().fit(FRAME, FRAME.to_numpy()), directory)
    FRAME.to_csv("in.csv", index=False)
    done = gtrack("models", "predict", str(directory), "-i", "in.csv")
    assert done.out.splitlines()[0] == "prediction_0,prediction_1"


def test_text_columns_stay_text(gtrack: RunCommand, repo: Path) -> None:
    directory = repo / "codes"
    directory.mkdir()
    example = pd.DataFrame({"code": ["007", "010"]})
    info = write_model(lambda frame: frame["code"].str.len().to_numpy(), directory, input_example=example)
    remember(Project.open(repo).repo, info.digests)
    example.to_csv("in.csv", index=False)
    assert gtrack("models", "predict", str(directory), "-i", "in.csv").out == "prediction\n3\n3\n"


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        ("age\n20\n", 2, "in.csv does not fit the model. The model needs the column 'wage', which is missing."),
        ("age,wage\n20,much\n", 2, "The column 'wage' is to hold numbers (double), and holds"),
        ("age,wage\n20.5,1\n", 2, "The column 'age' is to hold whole numbers (long)"),
        ("", 1, "in.csv cannot be read as a table"),
        ('a,b\n"', 1, "in.csv cannot be read as a table"),
    ],
)
def test_a_table_that_does_not_fit_is_one_message_and_writes_nothing(
    gtrack: RunCommand, model: str, content: str, code: int, message: str
) -> None:
    Path("in.csv").write_text(content)
    Path("out.csv").write_text("as it was")
    done = gtrack("models", "predict", model, "-i", "in.csv", "-o", "out.csv")
    assert done.code == code
    assert message in " ".join(done.err.split())
    assert "Traceback" not in done.err
    assert Path("out.csv").read_text() == "as it was"
    assert not list(Path().glob(".*.part"))


def test_what_else_can_be_wrong(gtrack: RunCommand, model: str, repo: Path) -> None:
    FRAME.to_csv("in.csv", index=False)

    def said(*args: str) -> str:
        done = gtrack("models", "predict", *args)
        assert done.code in {1, 2}
        assert "Traceback" not in done.err
        return " ".join(done.err.split())

    assert "is the input; give another file" in said(model, "-i", "in.csv", "-o", "in.csv")
    assert "must end in .csv, .tsv, .json, .parquet" in said(model, "-i", "README.md")
    assert "cannot be written as 'out.xls'" in said(model, "-i", "in.csv", "-o", "out.xls")
    assert "cannot be written" in said(model, "-i", "in.csv", "-o", "absent/out.csv")
    assert "No such file" in said(model, "-i", "absent.csv")
    assert "has no model at 'other'" in said("runs:/it/other", "-i", "in.csv")
    assert "is no model directory" in said("somewhere", "-i", "in.csv")
    directory = repo / "failing"
    directory.mkdir()
    write_model(lambda frame: frame["absent"], directory)
    assert "The model fails for in.csv: KeyError: 'absent'." in said(str(directory), "-i", "in.csv", "--trust")
    directory = repo / "short"
    directory.mkdir()
    write_model(lambda frame: [1], directory)
    assert "gave 1 predictions for the 4 rows" in said(str(directory), "-i", "in.csv", "--trust")


def test_trust_has_to_be_said_for_what_was_not_logged_here(gtrack: RunCommand, model: str, repo: Path) -> None:
    trusted_file(Project.open(repo).repo).unlink()
    FRAME.to_csv("in.csv", index=False)
    done = gtrack("models", "predict", model, "-i", "in.csv")
    assert done.code == 1
    assert "--trust" in done.err
    assert gtrack("models", "predict", model, "-i", "in.csv", "--trust").code == 0
