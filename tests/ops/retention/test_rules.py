"""Rules of retention, as they stand in the settings."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtrack.config import parse
from gtrack.errors import ConfigError
from gtrack.ops.retention.rules import CONDITIONS, Best, Rule, parse_age, parse_rules, parse_size
from gtrack.records import Value


def test_every_condition_is_read_from_the_settings() -> None:
    text = b"""
retention:
  rules:
    - name: papers
      tag: [paper, stage=final]
      do: keep
    - experiment: sweep-*
      status: [failed, killed]
      older_than: 2w
      larger_than: 1.5 GB
      where: metrics.f1 < 0.5
      keep_best: 10 by metrics.f1 DESC
"""
    assert parse_rules(parse(text, "config.yaml").retention) == (
        Rule("papers", keep=True, tags=(("paper", None), ("stage", "final"))),
        Rule(
            "rule 2",
            experiments=("sweep-*",),
            statuses=("failed", "killed"),
            older_than=timedelta(weeks=2),
            larger_than=1_500_000_000,
            where="metrics.f1 < 0.5",
            keep_best=Best(10, "metrics.f1 DESC", directed=True),
        ),
    )


def test_the_rules_of_the_documentation_are_read() -> None:
    text = (Path(__file__).parents[3] / "docs" / "retention.md").read_text(encoding="utf-8")
    example = text.split("```yaml\n")[1].split("```")[0]
    assert [rule.name for rule in parse_rules(parse(example.encode(), "config.yaml").retention)] == [
        "papers",
        "failures",
        "sweeps",
    ]
    conditions = re.findall(r"^\| `([a-z_]+): (.+?)`", text, re.MULTILINE)
    assert {key for key, _ in conditions} == set(CONDITIONS)
    for key, said in conditions:
        assert len(parse_rules([{key: said}])) == 1


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("old", "rule 1 must be a mapping with name, experiment"),
        ({"name": "a", "statuses": "failed"}, r"rule 1 \(a\) has an unknown key 'statuses'. Did you mean 'status'\?"),
        ({"name": 7, "status": "failed"}, "rule 1: name: A rule name is text"),
        ({"name": "all"}, r"rule 1 \(all\) has no condition, and would remove every run"),
        ({"status": "broken"}, "rule 1: status: 'broken' is none of finished, failed, killed"),
        ({"status": "running"}, "rule 1: status: 'running' is none of"),
        ({"older_than": 30}, "rule 1: older_than: expected a time such as 30d.*not 30"),
        ({"older_than": "soon"}, "rule 1: older_than: expected a time"),
        ({"larger_than": "500"}, "rule 1: larger_than: expected a size such as 500MB"),
        ({"experiment": []}, "rule 1: experiment: expected a name or a list of names"),
        ({"experiment": {"a": 1}}, "rule 1: experiment: expected a name"),
        ({"tag": "=x"}, "rule 1: tag: expected a key, or key=value"),
        ({"where": "metrics.f1 >"}, "rule 1: where: "),
        ({"keep_best": 10}, "rule 1: keep_best: expected a number and what is best"),
        ({"keep_best": "10 by"}, "rule 1: keep_best: expected a number and what is best"),
        ({"keep_best": "10 by metrics.f1 UP"}, "rule 1: keep_best: "),
        ({"do": "delete", "status": "failed"}, "rule 1: do: 'delete' is neither remove nor keep"),
    ],
)
def test_an_error_names_the_rule_and_the_key(raw: Value, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_rules([raw])


def test_two_rules_of_one_name_are_refused_since_nobody_could_tell_them_apart() -> None:
    with pytest.raises(ConfigError, match="two rules are called 'rule 2'"):
        parse_rules([{"name": "rule 2", "tag": "a"}, {"tag": "b"}])


def test_a_rule_that_keeps_needs_no_condition() -> None:
    assert parse_rules([{"name": "the rest", "do": "keep"}]) == (Rule("the rest", keep=True),)


@given(count=st.integers(0, 999_999), unit=st.sampled_from("mhdwy"))
def test_ages(count: int, unit: str) -> None:
    seconds = {"m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31557600}[unit]
    assert parse_age(f"{count}{unit}") == timedelta(seconds=count * seconds)


@given(count=st.integers(0, 10**6), unit=st.sampled_from(["B", "kB", "MB", "GB", "KiB", "MiB", "GiB"]))
def test_sizes(count: int, unit: str) -> None:
    base, prefix = (1024, unit[0].lower()) if "i" in unit else (1000, unit[0].lower())
    assert parse_size(f"{count}{unit}") == count * base ** " kmg".replace(" ", "b").index(prefix)


@given(said=st.one_of(st.text(max_size=12), st.integers(), st.none(), st.lists(st.integers(), max_size=2)))
def test_whatever_else_stands_there_is_a_value_error(said: Value) -> None:
    for read in (parse_age, parse_size):
        try:
            assert read(said) is not None
        except ValueError:
            continue
        assert isinstance(said, str)
