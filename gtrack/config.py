"""`.gtrack/config.yaml`: the project's settings, validated; unknown keys are refused by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gtrack.errors import ConfigError, FormatError, InvalidName, InvalidPath, nearest
from gtrack.formats.names import check_artifact_path, check_experiment
from gtrack.formats.yamlio import load_mapping

if TYPE_CHECKING:
    from gtrack.records import Value

DIRECTORY = ".gtrack"
FILE = "config.yaml"
DEFAULT_BRANCH = "gtrack/runs"
DEFAULT_EXPERIMENT = "default"


@dataclass(frozen=True)
class Config:
    """The settings of a project.

    Attributes:
        branch: the branch that holds the runs (``branch``).
        experiment: the experiment of runs that name none (``experiment``).
        snapshot_max_file_mb: untracked files above this many MB are left out of a snapshot (``snapshot.max_file_mb``).
        lfs_above_mb: artifacts from this many MB up are stored as Git LFS objects (``artifacts.lfs_above_mb``).
        lfs: patterns of artifact paths that are stored so whatever their size (``artifacts.lfs``).
        artifacts_remote: the URL of the store that large artifacts are pushed to and fetched from (``artifacts.remote``); the
            LFS server of the git remote, when None.
        auto_push: whether each run is pushed as soon as it is committed (``auto_push``: ``run`` or ``never``).
        retention: which runs are removed, as it was read (``retention.rules``); checked by ``ops.retention``.
        backup_days: for how many days what a purge took away can be brought back (``retention.backup_days``).
        purgers: who may push a purged branch to a server with gtrack's hook (``retention.purgers``).
        environment_variables: further environment variables to record, by name or pattern (``environment.variables``).
        stages: what stages of the model registry demand, by stage, as it was read (``registry.stages``); checked by
            ``registry.stage_policy``.
        allowed_signers: whose signatures count: an SSH allowed signers file, as a path in the repository
            (``registry.allowed_signers``); what git's own settings say, when None.
        system_interval: seconds between two samples of CPU, memory and GPU; 0 turns it off (``system.interval_seconds``).
    """

    branch: str = DEFAULT_BRANCH
    experiment: str = DEFAULT_EXPERIMENT
    snapshot_max_file_mb: float = 10
    lfs_above_mb: float = 10
    lfs: tuple[str, ...] = ()
    artifacts_remote: str | None = None
    auto_push: bool = False
    retention: tuple[Value, ...] = ()
    backup_days: float = 30
    purgers: tuple[str, ...] = ()
    environment_variables: tuple[str, ...] = ()
    stages: Mapping[str, Value] = field(default_factory=dict)
    allowed_signers: str | None = None
    system_interval: float = 10

    @property
    def ref(self) -> str:
        """The full name of the runs branch."""
        return f"refs/heads/{self.branch}"


TEMPLATE = f"""\
# Settings of gtrack for this project; every key may be left out. See docs/configuration.md.
branch: {DEFAULT_BRANCH}          # the branch that holds the runs
experiment: {DEFAULT_EXPERIMENT}          # the experiment of runs that name none
snapshot:
  max_file_mb: 10            # untracked files above this size are left out of the code snapshot
artifacts:
  lfs_above_mb: 10           # artifacts from this size up are stored as Git LFS objects
  lfs: []                    # patterns of artifacts that are stored so whatever their size, such as "*.ckpt"
  # remote: s3://bucket/path # where large artifacts are pushed to: s3, gs, az or file; else the git remote's LFS server
auto_push: never             # run: push each run as soon as it is committed
retention:
  rules: []                  # which runs 'gtrack gc' removes; see docs/retention.md
  backup_days: 30            # for how long what 'gtrack gc --purge' took away can be brought back
  purgers: []                # who may publish that on a server with gtrack's hook; see docs/server.md
environment:
  variables: []              # further environment variables to record, by name or pattern (never secrets)
registry:
  stages: {{}}                 # what model versions must fulfil to be promoted; see docs/registry.md
system:
  interval_seconds: 10       # seconds between two samples of CPU, memory and GPU; 0 turns sampling off
"""

_SECTIONS: Mapping[str, tuple[str, ...]] = {
    "branch": (),
    "experiment": (),
    "snapshot": ("max_file_mb",),
    "artifacts": ("lfs_above_mb", "lfs", "remote"),
    "auto_push": (),
    "retention": ("rules", "backup_days", "purgers"),
    "environment": ("variables",),
    "registry": ("stages", "allowed_signers"),
    "system": ("interval_seconds",),
}
STORES = ("s3", "gs", "az", "file")
"""The kinds of stores that large artifacts can be pushed to."""
_URL = re.compile(rf"(?:{'|'.join(STORES)})://[^\s\x00-\x1f]+\Z")
_REF_REFUSED = frozenset(" ~^:?*[\\")


def load(root: Path | None) -> Config:
    """Return the settings of the project at ``root``; the defaults when it has no config file, or there is no root.

    Raises:
        ConfigError: the file is no YAML, has an unknown key, or a value of the wrong kind.
    """
    path = root / DIRECTORY / FILE if root else None
    if path is None or not path.exists():
        return Config()
    try:
        return parse(path.read_bytes(), str(path))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error


def parse(data: bytes, where: str) -> Config:
    """Return the settings that the bytes of a config file hold; ``where`` is its path, for messages.

    Raises:
        ConfigError: as ``load``.
    """
    try:
        found = load_mapping(data, where)
    except FormatError as error:
        raise ConfigError(f"{error} Mend it, or remove it to use the defaults.") from error
    for key in found:
        if key not in _SECTIONS:
            raise ConfigError(
                f"{where} has an unknown key {key!r}.{nearest(key, _SECTIONS)} Known: {', '.join(_SECTIONS)}."
            )
    section = _Sections(found, where)
    experiment = section.text("experiment", DEFAULT_EXPERIMENT)
    try:
        check_experiment(experiment)
    except InvalidName as error:
        raise ConfigError(f"{where}: experiment: {error}") from error
    return Config(
        branch=_branch(section.text("branch", DEFAULT_BRANCH), where),
        experiment=experiment,
        snapshot_max_file_mb=section.amount("snapshot", "max_file_mb", 10),
        lfs_above_mb=section.amount("artifacts", "lfs_above_mb", 10),
        lfs=section.texts("artifacts", "lfs"),
        artifacts_remote=section.url("artifacts", "remote"),
        auto_push=section.choice("auto_push", ("never", "run")) == "run",
        retention=section.items("retention", "rules"),
        backup_days=section.amount("retention", "backup_days", 30),
        purgers=section.texts("retention", "purgers"),
        environment_variables=section.texts("environment", "variables"),
        stages=section.mapping("registry", "stages"),
        allowed_signers=section.path("registry", "allowed_signers"),
        system_interval=section.amount("system", "interval_seconds", 10),
    )


def _branch(name: str, where: str) -> str:
    parts = name.split("/")
    bad = name in {"@", "HEAD"} or any(
        not part or part.startswith((".", "-")) or part.endswith((".lock", ".")) for part in parts
    )
    if bad or ".." in name or "@{" in name or any(c in _REF_REFUSED or ord(c) < 33 or ord(c) == 127 for c in name):
        raise ConfigError(f"{where}: branch: {name!r} is no branch name that git accepts.")
    return name


class _Sections:
    """Typed access to the values of a config file."""

    def __init__(self, found: Mapping[str, Value], where: str) -> None:
        self._found = found
        self._where = where

    def text(self, key: str, default: str) -> str:
        value = self._found.get(key, default)
        if not isinstance(value, str) or not value:
            raise ConfigError(f"{self._where}: {key} must be text, not {value!r}.")
        return value

    def _value(self, section: str, key: str) -> Value:
        inside = self._found.get(section)
        if inside is None:
            return None
        if not isinstance(inside, dict):
            raise ConfigError(f"{self._where}: {section} must be a mapping with {', '.join(_SECTIONS[section])}.")
        for name in inside:
            if name not in _SECTIONS[section]:
                known = _SECTIONS[section]
                raise ConfigError(
                    f"{self._where} has an unknown key '{section}.{name}'.{nearest(name, known)} Known: {', '.join(known)}."
                )
        return inside.get(key)

    def amount(self, section: str, key: str, default: float) -> float:
        value = self._value(section, key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
            raise ConfigError(f"{self._where}: {section}.{key} must be a number from 0 up, not {value!r}.")
        return value

    def texts(self, section: str, key: str) -> tuple[str, ...]:
        value = self._value(section, key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise ConfigError(f"{self._where}: {section}.{key} must be a list of names, not {value!r}.")
        return tuple(str(item) for item in value)

    def items(self, section: str, key: str) -> tuple[Value, ...]:
        value = self._value(section, key)
        if value is not None and not isinstance(value, list):
            raise ConfigError(f"{self._where}: {section}.{key} must be a list, not {value!r}.")
        return tuple(value or ())

    def choice(self, key: str, known: tuple[str, ...]) -> str:
        """Return one of a few words; the first of them where nothing is said."""
        value = self.text(key, known[0])
        if value not in known:
            raise ConfigError(
                f"{self._where}: {key} must be {' or '.join(known)}, not {value!r}.{nearest(value, known)}"
            )
        return value

    def url(self, section: str, key: str) -> str | None:
        value = self._value(section, key)
        if value is None:
            return None
        if not isinstance(value, str) or not _URL.match(value):
            raise ConfigError(
                f"{self._where}: {section}.{key} must be a URL such as {', '.join(f'{one}://…' for one in STORES)}, "
                f"not {value!r}."
            )
        return value

    def mapping(self, section: str, key: str) -> dict[str, Value]:
        value = self._value(section, key)
        if value is not None and not isinstance(value, dict):
            raise ConfigError(f"{self._where}: {section}.{key} must be a mapping of names to settings, not {value!r}.")
        return dict(value or {})

    def path(self, section: str, key: str) -> str | None:
        value = self._value(section, key)
        if value is None:
            return None
        try:
            return check_artifact_path(value)
        except InvalidPath as error:
            raise ConfigError(f"{self._where}: {section}.{key} must be a path in the repository: {error}") from error
