"""Models in runs: logged whole or not at all, loaded with the trust that their origin has."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

import gtrack
from gtrack import pyfunc
from gtrack.errors import (
    ArtifactNotFound,
    GTrackError,
    InvalidName,
    InvalidPath,
    InvalidValue,
    RunNotFound,
    UntrustedModel,
)
from gtrack.fluent.active import project_here, stack_here
from gtrack.fluent.models import get_model_info, load_model, load_pyfunc, log_model, save_model
from gtrack.formats.yamlio import dumps
from gtrack.git.repo import Repository
from gtrack.ops.model_trust import remember, trusted_digests, trusted_file
from tests.conftest import Git, run_git

X, y = make_classification(80, 4, random_state=0)


@pytest.fixture(scope="module")
def forest() -> Any:
    return RandomForestClassifier(4, random_state=0).fit(X, y)


@pytest.fixture(scope="module")
def linear() -> Any:
    return LogisticRegression().fit(X, y)


@pytest.fixture
def logged(quiet: Path, forest: Any) -> Any:
    with gtrack.start_run("it"):
        return log_model(forest, input_example=X[:3])


def test_a_model_is_logged_committed_and_loaded(quiet: Path, forest: Any, git: Git) -> None:
    with gtrack.start_run("it") as run:
        info = log_model(forest, "deep/model", metadata={"a": 1}, input_example=X[:3])
        assert info.model_uri == f"runs:/{run.id}/deep/model"
        assert (info.run_id, info.artifact_path, info.registered_model_version) == (run.id, "deep/model", None)
        np.testing.assert_array_equal(load_model(info.model_uri).predict_proba(X), forest.predict_proba(X))
        assert get_model_info(info.model_uri).metadata == {"a": 1}
    for uri in (info.model_uri, "runs:/it/deep/model", f"runs:/{run.id[:6]}/deep/model", "runs:/last/deep/model/"):
        np.testing.assert_array_equal(load_model(uri).predict_proba(X), forest.predict_proba(X))
    np.testing.assert_array_equal(load_pyfunc(info.model_uri).predict(X), forest.predict(X))
    about = get_model_info("runs:/it/deep/model")
    assert (about.model_uri, about.model_uuid, about.signature) == (info.model_uri, info.model_uuid, info.signature)
    paths = git("ls-tree", "-r", "--name-only", "gtrack/runs").splitlines()
    assert not [path for path in paths if ".part" in path]
    assert any(path.endswith("/artifacts/deep/model/MLmodel") for path in paths)


def test_a_path_that_is_taken_is_told_and_stays_as_it_was(quiet: Path, forest: Any, linear: Any) -> None:
    with gtrack.start_run() as run:
        info = log_model(forest)
        gtrack.log_text("x", "notes/a.txt")
        for path in ("model", "notes", "notes/a.txt"):
            with pytest.raises(InvalidPath, match=r"has an artifact at .* already"):
                log_model(linear, path)
        with pytest.raises(InvalidPath, match="goes through an artifact that is a file"):
            log_model(linear, "notes/a.txt/model")
        for path in ("../x", "/x", "", ".git/x"):
            with pytest.raises(InvalidPath):
                log_model(linear, path)
        assert get_model_info(str(info.model_uri)).model_uuid == info.model_uuid
        assert not list(run.directory.glob(".*.part"))


def test_what_cannot_be_written_leaves_nothing(quiet: Path, tmp_path: Path) -> None:
    model = LogisticRegression().fit(X, y)
    with gtrack.start_run() as run, (tmp_path / "log").open("w") as file:
        model.log = file
        with pytest.raises(InvalidValue, match="only lives in this process"):
            log_model(model)
        assert not (run.directory / "artifacts" / "model").exists()
        assert not list(run.directory.glob(".*.part"))
        del model.log
        log_model(model)


def test_threads_log_one_model_each(quiet: Path, linear: Any) -> None:
    failed: list[GTrackError] = []
    with gtrack.start_run() as run:

        def log(path: str) -> None:
            token = stack_here.set((run,))
            try:
                log_model(linear, path)
            except GTrackError as error:
                failed.append(error)
            finally:
                stack_here.reset(token)

        threads = [threading.Thread(target=log, args=(path,)) for path in ("same", "same", "other")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [type(error) for error in failed] == [InvalidPath]
        assert load_model(f"runs:/{run.id}/same").C == load_model(f"runs:/{run.id}/other").C


def test_a_model_outside_of_a_run_opens_one(quiet: Path, linear: Any) -> None:
    info = log_model(linear, name="as_mlflow_3_calls_it")
    assert str(info.model_uri).endswith("/as_mlflow_3_calls_it")
    assert gtrack.active_run() is not None


@pytest.mark.slow
def test_a_model_is_registered_when_its_run_is_committed(quiet: Path, forest: Any, linear: Any) -> None:
    with gtrack.start_run() as run:
        with pytest.raises(InvalidName):
            log_model(forest, registered_model_name="no such.name")
        assert not (run.directory / "artifacts" / "model").exists()
        log_model(forest, registered_model_name="churn")
    with gtrack.start_run():
        log_model(linear, registered_model_name="churn")
    np.testing.assert_array_equal(load_model("models:/churn/1").predict(X), forest.predict(X))
    for uri in (
        "models:/churn/2",
        "models:/churn/latest",
        "models:/churn/v2",
        "models:/churn@2",
        "churn@2",
        "churn@latest",
    ):
        np.testing.assert_array_equal(load_model(uri).coef_, linear.coef_)
    assert get_model_info("models:/churn/1").registered_model_version == 1
    assert get_model_info("models:/churn/1").run_id == run.id
    for uri in ("models:/churn/1", "models:/churn/latest"):
        assert get_model_info(uri).model_uri == uri
    project_here().registry.assign("churn", 1, "production")
    for uri in ("models:/churn/Production", "models:/churn@production", "models:/churn/production", "churn#production"):
        assert load_model(uri).n_estimators == 4
    for uri in (
        "models:/churn/9",
        "churn#staging",
        "churn@9",
        "models:/churn/staging",
        "models:/absent/1",
        "models:/absent/latest",
    ):
        with pytest.raises(GTrackError):
            load_model(uri)


def one(data: Any) -> list[int]:
    return [1] * len(data)


def two(data: Any) -> list[int]:
    return [2] * len(data)


@pytest.fixture
def version_one(quiet: Path) -> str:
    """Return the run that is version 1 of ``m``, a model that says 1."""
    with gtrack.start_run() as run:
        log_model(one, registered_model_name="m")
    return run.id


def test_a_version_stays_what_its_tag_is_on(version_one: str, tmp_path: Path) -> None:
    save_model(two, tmp_path / "two")
    gtrack.log_artifacts(tmp_path / "two", "model", run_id=version_one)
    assert load_model(f"runs:/{version_one}/model", trust=True)([0]) == [2]
    assert load_model("models:/m/1", trust=True)([0]) == [1]
    with gtrack.start_run(run_id=version_one):
        gtrack.log_artifacts(tmp_path / "two", "model")
        assert load_model("models:/m/1", trust=True)([0]) == [1]
    gtrack.delete_run(version_one)
    assert load_model("models:/m/1", trust=True)([0]) == [1]
    assert get_model_info("models:/m/latest").run_id == version_one


def test_a_clone_of_the_tag_alone_has_the_model(
    version_one: str, git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "deployed"
    url = f"file://{project_here().repo.root}"
    git("clone", "--quiet", "--depth", "1", "--branch", "m@v1.0.0", url, str(place), env={"GIT_ADVICE": "0"})
    monkeypatch.chdir(place)
    assert not git("for-each-ref", "--format=%(refname)", "refs/heads/gtrack", "refs/remotes", cwd=place)
    for uri in ("models:/m/1", "models:/m/latest", "models:/m@v1.0.0"):
        assert load_model(uri, trust=True)([0]) == [1]
    with pytest.raises(RunNotFound):
        load_model(f"runs:/{version_one}/model")


def test_a_large_file_of_a_version_comes_from_lfs(quiet: Path, tmp_path: Path) -> None:
    (quiet / ".gtrack" / "config.yaml").write_text("system: {interval_seconds: 0}\nartifacts: {lfs_above_mb: 0.0001}\n")
    with gtrack.start_run() as run:
        log_model(one, registered_model_name="m")
    assert any(artifact.lfs for artifact in project_here().artifacts(run.id))
    gtrack.delete_run(run.id)
    assert load_model("models:/m/1")([0]) == [1]


def test_a_tag_on_a_commit_without_the_run_is_told(version_one: str, git: Git) -> None:
    git("tag", "-a", "-m", f"by hand\n\nRun: {version_one}", "m@v9.0.0", "main")
    with pytest.raises(RunNotFound, match=rf"m@v9\.0\.0 is on commit .* does not hold run .*runs:/{version_one}/model"):
        load_model("models:/m@v9.0.0")


def test_a_name_that_no_model_can_have_is_told_before_the_model_is_written(quiet: Path) -> None:
    with pytest.raises(InvalidName):
        log_model(object(), registered_model_name="no such.name")  # which could not be written either
    assert gtrack.active_run() is None


@pytest.mark.parametrize(
    ("uri", "error", "message"),
    [
        ("runs:/nobody/model", RunNotFound, "nobody"),
        ("runs:/it/absent", ArtifactNotFound, r"has no model at 'absent'. It has: model\."),
        ("runs:/it/mod", ArtifactNotFound, "It has: model"),
        ("runs:/it", InvalidValue, "runs:/RUN/PATH"),
        ("runs:it/model", InvalidValue, "names no model that gtrack can load"),
        ("runs:/it/../x", InvalidPath, "'..'"),
        ("s3://bucket/model", InvalidValue, "names no model that gtrack can load"),
        ("models:/churn", InvalidValue, "models:/NAME/3"),
        ("", InvalidValue, "A model is named by text"),
        (5, InvalidValue, "not 5"),
    ],
)
def test_uris_that_name_no_model(logged: Any, uri: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        load_model(uri)


# Trust


class Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return (exec, (f"open({str(self.marker)!r}, 'w').close()",))


def replaced_from_afar(quiet: Path, tmp_path: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    """Have a remote bring another content of the file of a run whose path ends like this."""
    clone = tmp_path / "theirs"
    run_git("clone", "--quiet", str(quiet), str(clone), cwd=tmp_path)
    run_git("fetch", "--quiet", "origin", "gtrack/runs:gtrack/runs", cwd=clone)
    index = {"GIT_INDEX_FILE": str(tmp_path / "index")}
    run_git("read-tree", "gtrack/runs", cwd=clone, env=index)
    path = next(one for one in run_git("ls-files", cwd=clone, env=index).splitlines() if one.endswith(name))
    run_git("checkout-index", f"--prefix={tmp_path}/", "--", path, cwd=clone, env=index)
    (tmp_path / path).write_bytes(change((tmp_path / path).read_bytes()))
    blob = run_git("hash-object", "-w", "--no-filters", str(tmp_path / path), cwd=clone)
    run_git("update-index", "--cacheinfo", f"100644,{blob},{path}", cwd=clone, env=index)
    tree = run_git("write-tree", cwd=clone, env=index)
    commit = run_git("commit-tree", tree, "-p", "gtrack/runs", "-m", "A gift", cwd=clone)
    run_git("update-ref", "refs/heads/gtrack/runs", commit, cwd=clone)
    run_git("fetch", "--quiet", str(clone), "gtrack/runs:gtrack/runs", cwd=quiet)


def test_a_pickle_from_somebody_else_does_not_run(logged: Any, quiet: Path, tmp_path: Path) -> None:
    """A run that a remote brought says that it is this person's own; only what its pickle holds counts."""
    marker = tmp_path / "ran"
    replaced_from_afar(quiet, tmp_path, "model/model.pkl", lambda _: pickle.dumps(Evil(marker)))
    for load in (load_model, load_pyfunc):
        with pytest.raises(UntrustedModel, match=r"was not logged on this machine.*trust=True"):
            load(str(logged.model_uri))
    assert not marker.exists()


HOSTILE = {
    "python_function": {"python_model": "artifacts/data/evil.pkl", "loader_module": "mlflow.pyfunc.model"},
    "sklearn": {"pickled_model": "artifacts/data/evil.pkl", "serialization_format": "cloudpickle"},
    "lightgbm": {"data": "artifacts/data/evil.pkl", "model_class": "lightgbm.sklearn.LGBMClassifier"},
}


@pytest.mark.parametrize("flavour", HOSTILE)
def test_data_that_was_logged_with_a_model_here_never_becomes_the_model(
    flavour: str, quiet: Path, tmp_path: Path
) -> None:
    marker, evil = tmp_path / "ran", tmp_path / "evil.pkl"
    evil.write_bytes(pickle.dumps(Evil(marker)))
    with gtrack.start_run("it"):
        pyfunc.log_model("model", one, artifacts={"data": evil})
    assert pyfunc.load_model("runs:/it/model").predict([0]) == [1]
    said = dumps({"flavors": {flavour: HOSTILE[flavour]}}).encode()
    replaced_from_afar(quiet, tmp_path, "model/MLmodel", lambda _: said)
    with pytest.raises(UntrustedModel, match=r"evil\.pkl"):
        load_model("runs:/it/model")
    assert not marker.exists()
    load_model("runs:/it/model", trust=True)
    assert marker.exists()  # as it would without a word, if the file counted as a model


class Unpickles:
    def load_context(self, context: Any) -> None:
        self.held = pickle.loads(Path(context.artifacts["data"]).read_bytes())

    def predict(self, context: Any, model_input: Any) -> Any:
        return [self.held] * len(model_input)


def test_data_that_was_logged_with_one_model_is_not_opened_by_another(quiet: Path, tmp_path: Path) -> None:
    marker, data = tmp_path / "ran", tmp_path / "data.pkl"
    data.write_bytes(pickle.dumps(5))
    with gtrack.start_run("it"):
        pyfunc.log_model("model", Unpickles(), artifacts={"data": data})
    data.write_bytes(pickle.dumps(Evil(marker)))
    with gtrack.start_run():
        pyfunc.log_model("inert", one, artifacts={"data": data})
    assert pyfunc.load_model("runs:/it/model").predict([0]) == [5]
    replaced_from_afar(quiet, tmp_path, "/model/artifacts/data/data.pkl", lambda _: data.read_bytes())
    with pytest.raises(UntrustedModel, match=r"data\.pkl"):
        load_pyfunc("runs:/it/model")
    assert not marker.exists()
    load_pyfunc("runs:/it/model", trust=True)
    assert marker.exists()


def test_ours_in_a_clone_needs_trust_again(logged: Any, quiet: Path, tmp_path: Path, monkeypatch: Any) -> None:
    clone = tmp_path / "clone"
    run_git("clone", "--quiet", str(quiet), str(clone), cwd=tmp_path)
    run_git("fetch", "--quiet", "origin", "gtrack/runs:gtrack/runs", cwd=clone)
    monkeypatch.chdir(clone)
    with pytest.raises(PermissionError):
        load_model("runs:/it/model")
    assert load_model("runs:/it/model", trust=True).n_estimators == 4
    assert load_pyfunc("runs:/it/model", trust=True).predict(X).shape == (80,)


def test_the_digests_are_lines_of_one_file(logged: Any, quiet: Path) -> None:
    repo = Repository.find(quiet)
    path = trusted_file(repo)
    assert path == quiet / ".git" / "gtrack" / "trusted"
    assert path.read_text().split() == [logged.digests[0]]
    path.write_text(f"{path.read_text()}torn{'a' * 70}\n\n{'b' * 64}\n")
    assert trusted_digests(repo) == {logged.digests[0], "b" * 64}
    assert load_model(str(logged.model_uri)).n_estimators == 4
    path.unlink()
    with pytest.raises(UntrustedModel):
        load_model(str(logged.model_uri))
    remember(repo, list(logged.digests))
    assert load_model(str(logged.model_uri)).n_estimators == 4


def test_a_worktree_trusts_what_the_others_logged(logged: Any, quiet: Path, tmp_path: Path, monkeypatch: Any) -> None:
    run_git("worktree", "add", "--quiet", str(tmp_path / "tree"), cwd=quiet)
    monkeypatch.chdir(tmp_path / "tree")
    assert load_model("runs:/it/model").n_estimators == 4


def test_a_skops_model_needs_no_trust_anywhere(quiet: Path, linear: Any, tmp_path: Path, monkeypatch: Any) -> None:
    info = save_model(linear, tmp_path / "saved" / "model")
    assert info.digests == ()
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(load_model(tmp_path / "saved" / "model").coef_, linear.coef_)


# Directories


def test_a_model_is_saved_into_a_directory_of_its_own(
    quiet: Path, forest: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "models" / "forest"
    info = save_model(forest, target)
    assert (info.model_uri, info.run_id, info.artifact_path) == (None, None, "forest")
    assert [path.name for path in target.parent.iterdir()] == ["forest"]
    for uri in (str(target), target, f"file://{target}", f"file:{target}"):
        assert load_model(uri).n_estimators == 4
    with pytest.raises(InvalidValue, match="is there already"):
        save_model(forest, target)
    monkeypatch.chdir(tmp_path)  # in no repository nothing is known to be ours
    with pytest.raises(UntrustedModel):
        load_model(target)
    assert load_model(target, trust=True).n_estimators == 4
    with pytest.raises(InvalidValue, match="could not be saved"):
        save_model(forest, quiet / "README.md" / "x")
    with pytest.raises(InvalidValue, match="A model is something with predict"):
        save_model("text", tmp_path / "other")
    assert not (tmp_path / "other").exists()


# Python functions


def test_pyfunc_has_the_names_that_scripts_know(quiet: Path, tmp_path: Path) -> None:
    (tmp_path / "factor").write_text("3")

    class Times(pyfunc.PythonModel):
        def load_context(self, context: pyfunc.PythonModelContext) -> None:
            self.factor = int(Path(context.artifacts["factor"]).read_text())
            self.path = context.artifacts["factor"]

        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return np.asarray(model_input) * int(Path(self.path).read_text())

    with gtrack.start_run():
        info = pyfunc.log_model("times", Times(), artifacts={"factor": tmp_path / "factor"})
        plain = pyfunc.log_model(python_model=lambda rows: rows, name="same")
    model = pyfunc.load_model(str(info.model_uri))
    assert isinstance(model, pyfunc.PyFuncModel)
    assert model.predict([1, 2]).tolist() == [3, 6]
    assert type(model.unwrap_python_model()).__name__ == "Times"
    assert pyfunc.load_model(str(plain.model_uri)).predict([1]).tolist() == [1]
    assert any(line.startswith("gtrack==") for line in info.requirements)
    assert not any(line.startswith("gtrack==") for line in plain.requirements)
    pyfunc.save_model(tmp_path / "out", python_model=Times(), artifacts={"factor": tmp_path / "factor"})
    assert pyfunc.load_model(tmp_path / "out").predict([1]).tolist() == [3]
    for bad in (None, "model.py"):
        with pytest.raises(InvalidValue, match="python_model is a PythonModel"):
            pyfunc.log_model("x", bad)
    with pytest.raises(NotImplementedError, match="without predict"):
        pyfunc.PythonModel().predict(pyfunc.PythonModelContext(), [])
    log_model(LogisticRegression().fit(X, y), "sk")
    estimator = load_pyfunc("runs:/last/sk")
    with pytest.raises(GTrackError, match="of the flavour sklearn"):
        estimator.unwrap_python_model()


SCRIPT = """
from gtrack.fluent.models import log_model
from sklearn.ensemble import RandomForestClassifier

log_model(RandomForestClassifier(3).fit([[0], [1]], [0, 1]), "model")
"""


@pytest.mark.slow
def test_a_script_that_is_launched_logs_models_that_are_trusted(quiet: Path) -> None:
    (quiet / "train.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-m", "gtrack", "run", "train.py"], cwd=quiet, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert load_model("runs:/last/model").n_estimators == 3


def test_large_models_go_through_lfs(quiet: Path, git: Git) -> None:
    big = RandomForestClassifier(2, random_state=0).fit(X, y)
    big.ballast_ = np.arange(2_000_000, dtype="float64")
    with gtrack.start_run():
        info = log_model(big)
    np.testing.assert_array_equal(load_model(str(info.model_uri)).ballast_, big.ballast_)
    path = next(p for p in git("ls-tree", "-r", "--name-only", "gtrack/runs").splitlines() if p.endswith("model.pkl"))
    assert git("show", f"gtrack/runs:{path}").startswith("version https://git-lfs")
