"""Requirements from the modules that a model is made of."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

import pytest

from gtrack.models import requirements
from gtrack.models.requirements import requirements_for


def test_modules_are_told_by_their_distributions() -> None:
    assert requirements_for(["sklearn", "numpy", "json", "os", "__main__"]) == (
        f"numpy=={version('numpy')}",
        f"scikit-learn=={version('scikit-learn')}",
    )
    assert requirements_for(["PIL", "dateutil", "yaml"]) == tuple(
        f"{name.lower()}=={version(name)}" for name in ("pillow", "python-dateutil", "PyYAML")
    )


def test_a_module_that_no_table_knows_is_looked_up_in_the_records() -> None:
    assert requirements_for(["_pytest", "mpl_toolkits"]) == tuple(
        f"{name}=={version(name)}" for name in ("matplotlib", "pytest")
    )


def test_a_module_of_no_distribution_is_left_out() -> None:
    assert requirements_for(["no_such_module_at_all"]) == ()


def test_a_directory_that_is_gone_is_no_hindrance(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    site = tmp_path / "site"
    (site / "Odd_Name-1.2.dist-info").mkdir(parents=True)
    (site / "Odd_Name-1.2.dist-info" / "RECORD").write_text("odd_module/__init__.py,,\nother.py,,\nfast.cpython.so,,\n")
    (site / "bare-3.dist-info").mkdir()
    monkeypatch.setattr("sys.path", [str(site), str(tmp_path / "gone")])
    for cached in (requirements._requirement, requirements._installed, requirements._providers):
        cached.cache_clear()
    try:
        assert requirements_for(["odd_module", "other", "fast", "bare"]) == ("bare==3", "odd-name==1.2")
    finally:
        for cached in (requirements._requirement, requirements._installed, requirements._providers):
            cached.cache_clear()


def test_every_line_is_pinned() -> None:
    assert all(re.fullmatch(r"[a-z0-9-]+==\S+", line) for line in requirements_for(["pandas", "scipy", "joblib"]))
