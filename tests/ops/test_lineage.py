"""What is told of a version is what its tag's commit holds, in any clone that has the tag."""

from __future__ import annotations

from pathlib import Path

import pytest

from gtrack.errors import ModelNotFound, RunNotFound, UsageError
from gtrack.models.directory import write_model
from gtrack.ops.edit import edit_tags
from gtrack.ops.lineage import held, lineage, runs_held
from gtrack.ops.model_overview import model_overview
from gtrack.project import Project
from gtrack.records import Run
from gtrack.writer import ActiveRun
from tests.conftest import Git
from tests.ops.conftest import MakeRun, OpenProject

MLMODEL = b"flavors:\n  python_function: {python_version: 3.11.4}\n  sklearn: {sklearn_version: 1.4.2}\n"


@pytest.fixture
def run(project: Project, make_run: MakeRun) -> Run:
    """Return a run of which the first version of `churn` is, in production."""
    made = make_run("calm-otter-1", params={"depth": 3}, metrics={"f1": 0.875}, artifacts={"model/MLmodel": MLMODEL})
    project.registry.register("churn", made.id, reason="the first")
    project.registry.assign("churn", 1, "production")
    return made


def lie(git: Git, name: str, target: str) -> None:
    """Make an annotated tag as it is in a clone that does not have what the tag is on."""
    message = "Registering artifact\n\nRun: " + "0" * 32 + "\nExperiment: forest\n"
    head = f"object {target}\ntype commit\ntag {name}\ntagger Ana <ana@example.org> 1800000000 +0000\n\n"
    oid = git("hash-object", "-t", "tag", "-w", "--stdin", stdin=f"{head}{message}")
    git("update-ref", f"refs/tags/{name}", oid)


def test_everything_from_the_tag_to_the_code(project: Project, run: Run, git: Git) -> None:
    found = lineage(project, "churn#production")
    assert (found.version.version, found.version.reason) == (1, "the first")
    assert found.run == run
    assert found.subject == "Begin"
    assert found.model.flavours == {"python_function": "", "sklearn": "1.4.2"}
    assert (found.model.size, [one.path for one in found.model.files]) == (len(MLMODEL), ["model/MLmodel"])
    assert [stay.stage for stay in found.stays] == ["production"]
    assert found.history.columns == {}
    assert "python" in found.environment
    assert found.registered is not None
    assert found.registered.oid == git("rev-parse", "refs/tags/churn@v1.0.0")
    assert (found.uri, found.url, found.problems) == ("models:/churn/1", None, ())


def test_a_clone_of_the_tag_alone_tells_the_same(project: Project, run: Run, git: Git, tmp_path: Path) -> None:
    here = lineage(project, "churn@1")
    git("clone", "--quiet", "--bare", ".", str(tmp_path / "bare.git"))
    url = (tmp_path / "bare.git").as_uri()
    git("clone", "--quiet", "--depth", "1", "--branch", "churn@v1.0.0", url, str(tmp_path / "one"))
    clone = Project.open(tmp_path / "one")
    found = lineage(clone, "churn@1")
    assert (found.run, found.model, found.environment) == (here.run, here.model, here.environment)
    assert (found.subject, found.url, found.problems) == (None, url, ())
    assert model_overview(clone, "churn").runs == {1: run}
    clone.close()


def test_what_is_done_to_the_run_since_changes_nothing(project: Project, run: Run) -> None:
    edit_tags(project, run, {"reviewed": "yes"})
    assert lineage(project, "churn@1").run == run
    project.store.remove(run.id)
    assert lineage(project, "churn@1").run == run


def test_of_a_snapshot_the_commit_it_changed_is_told(
    project: Project, make_run: MakeRun, repo: Path, open_project: OpenProject
) -> None:
    (repo / "train.py").write_text("x = 1\n")
    run = make_run("dirty", artifacts={"model/MLmodel": MLMODEL})
    project.registry.register("churn", run.id)
    found = lineage(open_project(), "churn")
    assert run.code.dirty
    assert found.subject == "Begin"


def test_a_version_that_no_run_made_says_so(project: Project, git: Git) -> None:
    git("tag", "-a", "-m", "by hand", "churn@v1.0.0", "main")
    found = lineage(project, "churn@1")
    assert found.run is None
    assert found.version.user == "Ana <ana@example.org>"
    assert "which is no run's" in found.problems[0]


def test_a_commit_that_is_not_here_is_to_be_fetched(project: Project, git: Git) -> None:
    lie(git, "churn@v1.0.0", "1" * 40)
    found = lineage(project, "churn@1")
    assert found.run is None
    assert "Commit 11111111, which churn@v1.0.0 is on, is not in this clone. Fetch it: git fetch" in found.problems[0]
    with pytest.raises(RunNotFound, match="Fetch it"):
        held(project, found.version)
    assert model_overview(project, "churn").runs == {}


def test_a_tag_that_claims_another_run_is_not_believed(project: Project, run: Run, git: Git) -> None:
    lie(git, "other@v1.0.0", git("rev-parse", "churn@v1.0.0^{commit}"))
    found = lineage(project, "other@1")
    assert found.run is None
    assert "does not hold run 00000000" in found.problems[0]
    assert lineage(project, "churn@1").run == run


@pytest.mark.parametrize(
    "mlmodel", [b"flavors: [", b"no: flavours\n", b"flavors: {a: {}}\nsignature: {inputs: '{'}\n", b"\xff\xfe\x00"]
)
def test_a_damaged_model_is_a_problem_and_the_rest_is_told(project: Project, make_run: MakeRun, mlmodel: bytes) -> None:
    made = make_run("it", artifacts={"model/MLmodel": mlmodel})
    project.registry.register("churn", made.id)
    found = lineage(project, "churn@1")
    assert found.run == made
    assert found.model.flavours == {}
    assert len(found.problems) == 1


def test_a_model_that_is_no_model_directory_is_its_files(project: Project, make_run: MakeRun) -> None:
    made = make_run("it", artifacts={"model.bin": b"12345", "model.bin.txt": b"1"})
    project.registry.register("churn", made.id, "model.bin")
    found = lineage(project, "churn@1")
    assert ([one.path for one in found.model.files], found.model.size) == (["model.bin"], 5)
    assert (found.model.flavours, found.model.signature, found.problems) == ({}, None, ())


def test_flavours_and_signature_of_a_real_model(project: Project) -> None:
    import pandas as pd
    from sklearn.linear_model import LinearRegression

    frame = pd.DataFrame({"age": [20, 30], "wage": [1.5, 2.5]})
    run = ActiveRun.start(project, name="real")
    into = run.directory / "artifacts" / "model"
    into.mkdir(parents=True)
    info = write_model(LinearRegression().fit(frame, [0, 1]), into, input_example=frame, run_id=run.id)
    project.registry.register("churn", run.end().id)
    found = lineage(project, "churn@1").model
    assert found.signature == info.signature
    assert set(found.flavours) == set(info.flavours)
    assert found.flavours["sklearn"]


def test_runs_are_found_by_tags_that_do_not_say_their_experiment(project: Project, run: Run, git: Git) -> None:
    git("tag", "-a", "-m", "as GTO does it", "gto@v0.0.1", "churn@v1.0.0^{commit}")
    assert runs_held(project, project.registry.versions("gto")) == {1: run}
    assert lineage(project, "gto@1").run == run


def test_a_remote_tells_where_to_clone_from_without_its_password(project: Project, run: Run, git: Git) -> None:
    assert run.code.remote is None
    git("remote", "add", "upstream", "https://ana:secret@example.org/x.git")
    opened = Project.open(project.repo.root)
    url = lineage(opened, "churn@1").url or ""
    opened.close()
    assert url.endswith("example.org/x.git")
    assert "secret" not in url


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(
    ("ref", "error", "message"),
    [
        ("chrun@1", ModelNotFound, "Did you mean 'churn'"),
        ("churn@7", ModelNotFound, r"no version 7. It has: 1 \(v1.0.0\)"),
        ("churn#produktion", ModelNotFound, "Did you mean 'production'"),
        ("churn@", UsageError, "names no model version"),
    ],
)
def test_what_there_is_not_is_told_with_what_there_is(
    project: Project, ref: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        lineage(project, ref)
