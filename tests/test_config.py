"""Settings: every key, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from gtrack.config import TEMPLATE, Config, load, parse
from gtrack.errors import ConfigError

WHOLE = """\
branch: team/runs
experiment: RandomForest_Classification
snapshot:
  max_file_mb: 2.5
artifacts: {lfs_above_mb: 0, lfs: ["*.ckpt"], remote: "s3://bucket/team"}
auto_push: run
retention: {rules: [{status: failed}], backup_days: 7, purgers: [ana@x]}
environment:
  variables: [MY_*, DEVICE]
system:
  interval_seconds: 1
"""


def test_every_key() -> None:
    assert parse(WHOLE.encode(), "it") == Config(
        branch="team/runs",
        experiment="RandomForest_Classification",
        snapshot_max_file_mb=2.5,
        lfs_above_mb=0,
        lfs=("*.ckpt",),
        artifacts_remote="s3://bucket/team",
        auto_push=True,
        retention=({"status": "failed"},),
        backup_days=7,
        purgers=("ana@x",),
        environment_variables=("MY_*", "DEVICE"),
        system_interval=1,
    )
    assert parse(WHOLE.encode(), "it").ref == "refs/heads/team/runs"


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}", "snapshot:\n", "\ufeffbranch: gtrack/runs\r\n", TEMPLATE])
def test_what_is_left_out_has_its_default(text: str) -> None:
    assert parse(text.encode(), "it") == Config()


def test_the_template_names_every_setting() -> None:
    keys = (
        "branch experiment max_file_mb lfs_above_mb lfs remote auto_push rules backup_days purgers variables "
        "interval_seconds"
    )
    for key in (f"{key}:" for key in keys.split()):
        assert key in TEMPLATE


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("brunch: x", "unknown key 'brunch'. Did you mean 'branch'?"),
        ("snapshot: {max_file_md: 1}", "unknown key 'snapshot.max_file_md'. Did you mean 'max_file_mb'?"),
        ("artifacts: {x: 1}", "unknown key 'artifacts.x'"),
        ("5: x", "unknown key '5'"),
        ("snapshot: 5", "snapshot must be a mapping with max_file_mb"),
        ("snapshot: [1]", "snapshot must be a mapping"),
        ("snapshot: {max_file_mb: ten}", "must be a number from 0 up, not 'ten'"),
        ("snapshot: {max_file_mb: true}", "must be a number"),
        ("snapshot: {max_file_mb: -1}", "must be a number"),
        ("artifacts: {lfs_above_mb: .nan}", "must be a number"),
        ("auto_push: always", "auto_push must be never or run, not 'always'"),
        ("auto_push: true", "auto_push must be text"),
        ("artifacts: {remote: bucket}", "must be a URL such as s3://…, gs://…, az://…, file://…, not 'bucket'"),
        ("artifacts: {remote: 'http://host/x'}", "must be a URL"),
        ("artifacts: {remote: [1]}", "must be a URL"),
        ("retention: {rules: {a: 1}}", "retention.rules must be a list"),
        ("retention: {backup_days: -1}", "must be a number from 0 up"),
        ("system: {interval_seconds: .inf}", "must be a number"),
        ("environment: {variables: PATH}", "must be a list of names"),
        ("environment: {variables: [1]}", "must be a list of names"),
        ("environment: {variables: ['']}", "must be a list of names"),
        ("branch: 5", "branch must be text"),
        ("branch: ''", "branch must be text"),
        ("branch: null", "branch must be text"),
        ("experiment: [a]", "experiment must be text"),
        ("experiment: ' a'", "experiment"),
        ("- 1", "where a mapping is expected"),
        ("a: [", "not valid YAML"),
        ("text", "where a mapping is expected"),
        *(
            (f"branch: {name!r}", "no branch name")
            for name in ["-x", "a..b", "a b", "a~1", "a^", "a:b", "a?", "a*", "a[b"]
        ),
        *(
            (f"branch: {name!r}", "no branch name")
            for name in ["a/", "/a", "a//b", ".a", "a/.b", "a.lock", "a.lock/b", "a."]
        ),
        ('branch: "a\\tb"', "no branch name"),
        ("branch: 'a@{b'", "no branch name"),
        ("branch: '@'", "no branch name"),
        ("branch: HEAD", "no branch name"),
    ],
    ids=lambda text: text[:40],
)
def test_what_is_wrong_is_named(text: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text.encode(), "/p/.gtrack/config.yaml")
    assert why in str(caught.value)
    assert "/p/.gtrack/config.yaml" in str(caught.value)
    assert caught.value.exit_code == 2


def test_no_file_and_no_root(tmp_path: Path) -> None:
    assert load(None) == load(tmp_path) == Config()


def test_a_file_is_read_from_its_place(tmp_path: Path) -> None:
    (tmp_path / ".gtrack").mkdir()
    (tmp_path / ".gtrack" / "config.yaml").write_text("experiment: churn\n")
    assert load(tmp_path).experiment == "churn"
    (tmp_path / ".gtrack" / "config.yaml").write_bytes(b"experiment: \xff\n")
    with pytest.raises(ConfigError, match="UTF-8"):
        load(tmp_path)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / ".gtrack" / "config.yaml").mkdir(parents=True)
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)
