"""What is recorded of a fit."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.cluster import DBSCAN, KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from gtrack.fluent.active import start_run
from gtrack.fluent.models import load_model
from gtrack.fluent.verbs import log_param, log_text
from gtrack.integrations.sklearn import autolog
from gtrack.records import Run, Status
from tests.integrations.sklearn.conftest import Data

Runs = Callable[[], list[Run]]
Artifacts = Callable[[Run], dict[str, bytes]]


@pytest.mark.quick
def test_a_classifier(cancer: Data, runs: Runs, artifacts: Artifacts) -> None:
    X, y = cancer
    autolog()
    model = RandomForestClassifier(n_estimators=5, max_depth=2, random_state=0).fit(X, y)
    (run,) = runs()
    assert run.status is Status.FINISHED
    assert run.tags == {
        "estimator_name": "RandomForestClassifier",
        "estimator_class": "sklearn.ensemble._forest.RandomForestClassifier",
        "class_balance": "0: 104, 1: 96",
    }
    assert run.params == model.get_params()
    probabilities = model.predict_proba(X)
    assert (
        run.metrics["training_accuracy_score"] == accuracy_score(y, model.predict(X)) == run.metrics["training_score"]
    )
    assert run.metrics["training_log_loss"] == pytest.approx(log_loss(y, probabilities))
    assert run.metrics["training_roc_auc"] == pytest.approx(roc_auc_score(y, probabilities[:, 1]))
    assert {f"training_{name}_score" for name in ("precision", "recall", "f1")} < set(run.metrics)
    assert [(one.name, one.rows, one.columns) for one in run.inputs] == [("train", 200, 30), ("train_target", 200, 1)]
    files = artifacts(run)
    pictures = [path for path in files if path.endswith(".png")]
    assert pictures == [
        "feature_importances.png",
        "training_confusion_matrix.png",
        "training_precision_recall_curve.png",
        "training_roc_curve.png",
    ]
    assert all(Image.open(io.BytesIO(files[path])).width > 300 for path in pictures)
    assert {"estimator.html", "feature_importances.csv", "model/MLmodel"} < set(files)
    weights = pd.read_csv(io.BytesIO(files["feature_importances.csv"]))
    assert list(weights["feature"]) == list(X.columns)
    assert np.allclose(weights["importance"], model.feature_importances_)
    assert (load_model(f"runs:/{run.id}/model").predict(X) == model.predict(X)).all()


@pytest.mark.quick
def test_a_regressor(diabetes: Data, runs: Runs, artifacts: Artifacts) -> None:
    X, y = diabetes
    autolog()
    model = Ridge().fit(X, y)
    (run,) = runs()
    assert set(run.metrics) == {
        *("training_mean_squared_error", "training_root_mean_squared_error", "training_mean_absolute_error"),
        *("training_r2_score", "training_score"),
    }
    assert run.metrics["training_score"] == pytest.approx(model.score(X, y))
    assert "class_balance" not in run.tags
    files = artifacts(run)
    assert {"training_residuals.png", "training_predicted_vs_true.png", "coefficients.png", "coefficients.csv"} < set(
        files
    )


def test_all_goes_into_the_run_that_is_active(cancer: Data, runs: Runs) -> None:
    autolog()
    with start_run(run_name="mine") as active:
        log_param("note", "kept")
        LogisticRegression(max_iter=10_000).fit(*cancer)
        assert not active.ended
    (run,) = runs()
    assert run.name == "mine"
    assert run.params["note"] == "kept"
    assert run.params["C"] == 1.0
    assert "training_score" in run.metrics


def test_every_fit_without_a_run_is_a_run_of_its_own(cancer: Data, runs: Runs) -> None:
    autolog()
    for depth in (1, 2):
        RandomForestClassifier(n_estimators=2, max_depth=depth).fit(*cancer)
    assert [run.params["max_depth"] for run in runs()] == [1, 2]


def test_switched_on_twice_it_logs_once(cancer: Data, runs: Runs) -> None:
    X, y = cancer
    autolog()
    autolog(log_models=False)
    model = LogisticRegression(max_iter=10_000).fit(X, y)
    model.score(X, y)
    (run,) = runs()
    assert [name for name in run.metrics if not name.startswith("training_")] == ["LogisticRegression_score_X"]


def test_a_parameter_that_the_user_logged_otherwise_stays(cancer: Data) -> None:
    autolog()
    with start_run() as active:
        log_param("max_depth", "mine")
        with pytest.warns(
            UserWarning, match=r"gtrack: RandomForestClassifier.fit: not recorded: the parameter max_depth"
        ):
            RandomForestClassifier(n_estimators=2, max_depth=3).fit(*cancer)
    run = active.record()
    assert run.params["max_depth"] == "mine"
    assert run.params["n_estimators"] == 2
    assert "training_score" in run.metrics


def test_a_model_that_the_user_logs_takes_the_place_of_the_automatic_one(
    cancer: Data, runs: Runs, artifacts: Artifacts
) -> None:
    from gtrack.sklearn import log_model

    autolog()
    with start_run():
        model = LogisticRegression(max_iter=10_000).fit(*cancer)
        log_model(model, "model", metadata={"whose": "mine"})
        with pytest.raises(ValueError, match="already"):
            log_model(model, "model")
    (run,) = runs()
    assert b"whose: mine" in artifacts(run)["model/MLmodel"]


def test_what_the_user_has_at_the_place_of_the_model_stays(cancer: Data, artifacts: Artifacts) -> None:
    autolog()
    with start_run() as active:
        log_text("mine", "model")
        with pytest.warns(UserWarning, match="the model"):
            LogisticRegression(max_iter=10_000).fit(*cancer)
    run = active.record()
    assert artifacts(run)["model"] == b"mine"
    assert "training_score" in run.metrics


def test_exclusive_always_opens_a_run(cancer: Data, runs: Runs) -> None:
    autolog(exclusive=True)
    with start_run(run_name="mine") as active:
        LogisticRegression(max_iter=10_000).fit(*cancer)
        log_param("after", 1)
    mine, own = sorted(runs(), key=lambda run: run.name != "mine")
    assert own.parent == active.id
    assert "training_score" in own.metrics
    assert mine.params == {"after": 1}


def test_what_is_switched_off_is_not_there(cancer: Data, runs: Runs, artifacts: Artifacts) -> None:
    X, y = cancer
    autolog(log_models=False, log_datasets=False, log_post_training_metrics=False, extra_tags={"team": "x"})
    model = LogisticRegression(max_iter=10_000).fit(X, y)
    accuracy_score(y, model.predict(X))
    (run,) = runs()
    assert run.inputs == ()
    assert run.tags["team"] == "x"
    assert all(name.startswith("training_") for name in run.metrics)
    assert not any(path.startswith("model") for path in artifacts(run))


def test_an_input_example_and_no_signature(cancer: Data, runs: Runs, artifacts: Artifacts) -> None:
    autolog(log_input_examples=True)
    LogisticRegression(max_iter=10_000).fit(*cancer)
    autolog(log_model_signatures=False)
    LogisticRegression(max_iter=10_000).fit(*cancer)
    first, second = map(artifacts, runs())
    assert b"signature" in first["model/MLmodel"]
    assert "model/input_example.json" in first
    assert b"signature" not in second["model/MLmodel"]


def test_pipelines_and_meta_estimators_are_one_fit(cancer: Data, runs: Runs, artifacts: Artifacts) -> None:
    X, y = cancer
    frame = X.iloc[:, :3].assign(kind=pd.Categorical(np.where(X.iloc[:, 0] > 13, "big", "small")))
    prepare = ColumnTransformer([("n", StandardScaler(), list(frame.columns[:3])), ("c", OneHotEncoder(), ["kind"])])
    autolog()
    make_pipeline(prepare, LogisticRegression(max_iter=10_000)).fit(frame, y)
    VotingClassifier([("a", LogisticRegression(max_iter=10_000)), ("b", RandomForestClassifier(3))]).fit(X, y)
    pipeline, voting = runs()
    assert pipeline.tags["estimator_name"] == "Pipeline"
    assert pipeline.params["logisticregression__C"] == 1.0
    assert str(pipeline.params["logisticregression"]).startswith("LogisticRegression(")
    weights = pd.read_csv(io.BytesIO(artifacts(pipeline)["coefficients.csv"]))
    assert list(weights["feature"])[-2:] == ["c__kind_big", "c__kind_small"]
    assert voting.tags["estimator_name"] == "VotingClassifier"
    assert voting.params["b__n_estimators"] == 3


def test_a_classifier_without_probabilities(cancer: Data, runs: Runs, artifacts: Artifacts) -> None:
    autolog()
    LinearSVC(random_state=0, max_iter=100_000, tol=1).fit(*cancer)
    (run,) = runs()
    assert "training_log_loss" not in run.metrics
    assert "training_f1_score" in run.metrics
    assert "training_roc_curve.png" in artifacts(run)


def test_clusterers_and_transformers_say_what_they_know(cancer: Data, runs: Runs) -> None:
    X, _ = cancer
    autolog()
    KMeans(3, n_init=1, random_state=0).fit(X)
    labels = DBSCAN(eps=1e-9).fit_predict(X)
    projected = PCA(2).fit_transform(X)
    assert labels.shape == (200,)
    assert projected.shape == (200, 2)
    means, scan, pca = runs()
    assert means.metrics["training_n_clusters"] == 3
    assert {"training_inertia", "training_silhouette_score"} < set(means.metrics)
    assert (scan.metrics["training_n_clusters"], scan.metrics["training_n_noise"]) == (0, 200)
    assert 0.9 < pca.metrics["training_explained_variance_ratio"] <= 1


def test_a_union_of_transformers_is_recorded_with_its_model(cancer: Data, runs: Runs) -> None:
    X, _ = cancer
    autolog()
    union = FeatureUnion([("scaled", StandardScaler()), ("pca", PCA(2))]).fit(X)
    (run,) = runs()
    assert run.tags["estimator_name"] == "FeatureUnion"
    assert run.params["pca__n_components"] == 2
    np.testing.assert_array_equal(load_model(f"runs:/{run.id}/model").transform(X), union.transform(X))


@pytest.mark.quick
def test_what_only_prepares_data_is_not_recorded(cancer: Data, runs: Runs) -> None:
    autolog()
    StandardScaler().fit_transform(cancer[0])
    OneHotEncoder().fit(cancer[0].iloc[:, :2])
    SimpleImputer().fit_transform(cancer[0])
    SelectKBest(k=3).fit_transform(*cancer)
    ColumnTransformer([("n", StandardScaler(), list(cancer[0].columns[:3]))]).fit_transform(cancer[0])
    LinearRegression().fit(*cancer)
    assert [run.tags["estimator_name"] for run in runs()] == ["LinearRegression"]


def test_long_and_strange_parameters(cancer: Data, runs: Runs) -> None:
    autolog()
    LogisticRegression(max_iter=10_000, class_weight={0: 1.0, 1: np.float64(2)}).fit(*cancer)
    RandomForestClassifier(2, max_features=np.int64(3), random_state=np.random.RandomState(0)).fit(*cancer)
    first, second = runs()
    assert first.params["class_weight"] == "{0: 1.0, 1: np.float64(2.0)}"
    assert second.params["max_features"] == 3
    assert str(second.params["random_state"]).startswith("RandomState(")
