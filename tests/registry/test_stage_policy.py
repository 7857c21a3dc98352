"""What ``registry.stages`` may say, and how it is told where it may not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtrack.config import parse
from gtrack.errors import ConfigError
from gtrack.registry.stage_policy import Improvement, StagePolicy, parse_stages

SETTINGS = b"""
registry:
  allowed_signers: .gtrack/allowed_signers
  stages:
    staging:
    Production:
      requires:
        - metrics.f1 >= 0.85
        - params.depth < 10
      improves: metrics.f1 by 0.005
      after: staging
      clean: true
      branch: [main, release]
      data: true
      reproduced: true
      signed: true
      reason: true
      approvals: 2
      promoters: [ann@example.org]
      force: true
    archive/2026: {exclusive: true}
"""


def test_all_that_can_be_said() -> None:
    config = parse(SETTINGS, "config.yaml")
    assert config.allowed_signers == ".gtrack/allowed_signers"
    assert parse_stages(config.stages, "registry.stages") == {
        "staging": StagePolicy(),
        "production": StagePolicy(
            exclusive=True,
            requires=("metrics.f1 >= 0.85", "params.depth < 10"),
            improves=(Improvement("f1", 0.005),),
            after=("staging",),
            clean=True,
            branch=("main", "release"),
            data=True,
            reproduced=True,
            signed=True,
            reason=True,
            approvals=2,
            promoters=("ann@example.org",),
            force=True,
        ),
        "archive/2026": StagePolicy(exclusive=True),
    }


def test_production_holds_one_version_unless_the_settings_say_otherwise() -> None:
    assert parse_stages({}, "x") == {"production": StagePolicy(exclusive=True, force=True)}
    assert parse_stages({"production": {"exclusive": False}}, "x") == {"production": StagePolicy()}
    assert parse_stages({"production": {"clean": True}}, "x")["production"].exclusive


@pytest.mark.parametrize(
    ("text", "meant", "told"),
    [
        ("f1", Improvement("f1"), "improves metrics.f1"),
        ("metrics.f1", Improvement("f1"), "improves metrics.f1"),
        ("metrics.val/f1 by 0.5", Improvement("val/f1", 0.5), "improves metrics.val/f1 by 0.5"),
        ("metric.`val f1` by 1e-3", Improvement("val f1", 0.001), "improves metrics.val f1 by 0.001"),
        ('metrics."by by 2" by 2 %', Improvement("by by 2", 0.02, relative=True), "improves metrics.by by 2 by 2 %"),
        ("loss by 2%", Improvement("loss", 0.02, relative=True), "improves metrics.loss by 2 %"),
    ],
    ids=lambda value: value.replace(" ", "_").replace("`", "") if isinstance(value, str) else None,
)
def test_improvements(text: str, meant: Improvement, told: str) -> None:
    [found] = parse_stages({"s": {"improves": text}}, "x")["s"].improves
    assert (found, str(found)) == (meant, told)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"a b": {}}, "'a b' cannot name a stage"),
        ({3: {}}, "3 cannot name a stage"),
        ({"None": {}}, "'None' is no stage"),
        ({"Production": {}, "production": {}}, "names the stage production twice"),
        ({"s": []}, "x.s must be a mapping with exclusive"),
        ({"s": {"require": "a"}}, "x.s has an unknown key 'require'. Did you mean 'requires'?"),
        ({"s": {"clean": 1}}, "x.s.clean must be true or false, not 1"),
        ({"s": {"requires": []}}, "x.s.requires must be text or a list of texts"),
        ({"s": {"requires": [1]}}, "x.s.requires must be text or a list of texts"),
        ({"s": {"branch": " "}}, "x.s.branch must be text or a list of texts"),
        ({"s": {"approvals": -1}}, "x.s.approvals must be a whole number from 0 up, not -1"),
        ({"s": {"approvals": True}}, "x.s.approvals must be a whole number"),
        ({"s": {"improves": "f1 by much"}}, "x.s.improves must be such as 'metrics.f1', 'metrics.f1 by 0.005'"),
        ({"s": {"improves": "f1 by -1"}}, "x.s.improves must be such as"),
    ],
    ids=range(14),
)
def test_what_cannot_be_said(said: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_stages(said, "x")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"registry: {stages: [production]}", "registry.stages must be a mapping"),
        (b"registry: {stage: {}}", "unknown key 'registry.stage'. Did you mean 'stages'?"),
        (b"registry: {allowed_signers: ../keys}", "registry.allowed_signers must be a path in the repository"),
    ],
    ids=range(3),
)
def test_what_the_settings_refuse(text: bytes, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse(text, "config.yaml")
    assert message in str(error.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(["requires", "improves", "after", "clean", "approvals", "promoters", "force", "x"])


@given(st.dictionaries(st.sampled_from(["a", "production", "-"]), st.none() | st.dictionaries(KEYS, JSON), max_size=3))
def test_whatever_stands_there_is_read_or_refused_by_name(said: dict[str, object]) -> None:
    try:
        found = parse_stages(said, "registry.stages")
    except ConfigError as error:
        assert str(error).startswith("registry.stages")  # noqa: PT017 - most examples are refused
    else:
        assert set(found) == {*said, "production"}
