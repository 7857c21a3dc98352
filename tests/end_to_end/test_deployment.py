"""One tag of a bare repository over HTTP is a whole deployment: the model, the code that made it, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Git
from tests.http_remote import over_http

TRAIN = """
import gtrack, numpy as np
from sklearn.linear_model import LinearRegression

X = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
for factor in (1, 2, 3):
    with gtrack.start_run() as run:
        gtrack.log_model(LinearRegression().fit(X, factor * X[:, 0]), "model")
    gtrack.register_model(f"runs:/{run.id}/model", "churn")
gtrack.promote("churn@2", "production")
"""


@pytest.mark.slow
def test_cloned_by_its_tag_over_http_it_predicts(repo: Path, git: Git, tmp_path: Path) -> None:
    (repo / "train.py").write_text(TRAIN)
    git("add", "train.py")
    git("commit", "--quiet", "--message", "Train")
    subprocess.run([sys.executable, "train.py"], cwd=repo, check=True)
    served = tmp_path / "served"
    git("clone", "--quiet", "--bare", str(repo), str(served / "models.git"))
    table = tmp_path / "new.csv"
    table.write_text("a,b\n5,1\n7,1\n")
    with over_http(served) as url:
        place = tmp_path / "deployed"
        git("clone", "--quiet", "--depth", "1", "--branch", "churn@v3.0.0", f"{url}/models.git", str(place))
    assert (place / "train.py").read_text() == TRAIN
    assert len(list(place.rglob("run.yaml"))) == 1
    command = [sys.executable, "-m", "gtrack", "models", "predict", "models:/churn/3", "--input", str(table)]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=True)
    assert [round(float(line)) for line in done.stdout.split()[1:]] == [15, 21]
