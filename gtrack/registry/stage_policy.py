"""What a stage of the model registry demands of the version that comes into it: ``registry.stages`` of the settings.

Read and checked here, judged by ``registry.policy``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gtrack.errors import ConfigError, InvalidName, nearest
from gtrack.registry.ledger import EXCLUSIVE
from gtrack.registry.tag_names import check_stage

if TYPE_CHECKING:
    from gtrack.records import Value

_IMPROVES = re.compile(
    r"(?:metrics?\.)?(?P<metric>`[^`]+`|\"[^\"]+\"|\S+)(?:\s+by\s+(?P<margin>[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?)(?P<part>\s*%)?)?\Z"
)


@dataclass(frozen=True)
class Improvement:
    """A metric that must be better than that of the version which is in the stage.

    Attributes:
        metric: its name.
        margin: by how much at least; in the metric's unit, or as a part of the present value when ``relative``. More than
            nothing, when 0.
        relative: whether the margin is a part of the present value.
    """

    metric: str
    margin: float = 0.0
    relative: bool = False

    def __str__(self) -> str:
        by = f" by {self.margin * 100:g} %" if self.relative else f" by {self.margin:g}"
        return f"improves metrics.{self.metric}{by if self.margin else ''}"


@dataclass(frozen=True)
class StagePolicy:
    """What one stage demands.

    Attributes:
        exclusive: it holds one version; what comes in takes the place of what was there.
        requires: conditions on the run, in the query language.
        improves: metrics that must be better than those of what is in the stage.
        after: stages of which the version must be in one, or have been.
        clean: the run's code was committed when it ran.
        branch: branches from one of which the run's code commit must be reachable.
        data: the run recorded a version of its data.
        reproduced: another run that finished reproduces it (it has the tag ``reproduces``).
        signed: the promotion is a signed tag.
        reason: it says why.
        approvals: how many others approve of it.
        promoters: who may promote: addresses, names, or fingerprints of signing keys; anybody, when there are none.
        force: whether ``--force`` may promote what does not fulfil the rest.
    """

    exclusive: bool = False
    requires: tuple[str, ...] = ()
    improves: tuple[Improvement, ...] = ()
    after: tuple[str, ...] = ()
    clean: bool = False
    branch: tuple[str, ...] = ()
    data: bool = False
    reproduced: bool = False
    signed: bool = False
    reason: bool = False
    approvals: int = 0
    promoters: tuple[str, ...] = ()
    force: bool = False

    @property
    def asks_who(self) -> bool:
        """Whether a signature may count, as a demand of its own or for who promotes."""
        return self.signed or bool(self.promoters)

    @property
    def is_open(self) -> bool:
        """Whether it demands nothing."""
        return self == StagePolicy(exclusive=self.exclusive, force=self.force)


def parse_stages(found: Mapping[str, object] | None, where: str) -> dict[str, StagePolicy]:
    """Return the policies that ``registry.stages`` says, by stage; those of stages that are exclusive by themselves among them.

    Args:
        found: the value of the key.
        where: path and key, for messages.

    Raises:
        ConfigError: a stage has a name that none can have, an unknown key, or a value of the wrong kind.
    """
    stages: dict[str, StagePolicy] = {}
    for name, said in (found or {}).items():
        try:
            stage = check_stage(name)
        except InvalidName as error:
            raise ConfigError(f"{where}: {error}") from error
        if stage in stages:
            raise ConfigError(f"{where} names the stage {stage} twice.")
        stages[stage] = _policy(stage, {} if said is None else said, f"{where}.{name}")
    return {**{stage: StagePolicy(exclusive=True, force=True) for stage in EXCLUSIVE}, **stages}


def _policy(stage: str, said: object, where: str) -> StagePolicy:
    if not isinstance(said, dict):
        raise ConfigError(f"{where} must be a mapping with {', '.join(_READERS)}, not {said!r}.")
    for key in said:
        if key not in _READERS:
            raise ConfigError(
                f"{where} has an unknown key {key!r}.{nearest(key, _READERS)} Known: {', '.join(_READERS)}."
            )
    values: dict[str, Any] = {"exclusive": stage in EXCLUSIVE}
    values.update({key: _READERS[key](value, f"{where}.{key}") for key, value in said.items()})
    return StagePolicy(**values)


def _flag(value: Value, where: str) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"{where} must be true or false, not {value!r}.")
    return value


def _texts(value: Value, where: str) -> tuple[str, ...]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not items or not all(isinstance(item, str) and item.strip() for item in items):
        raise ConfigError(f"{where} must be text or a list of texts, not {value!r}.")
    return tuple(str(item).strip() for item in items)


def _count(value: Value, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ConfigError(f"{where} must be a whole number from 0 up, not {value!r}.")
    return value


def _improvements(value: Value, where: str) -> tuple[Improvement, ...]:
    return tuple(_improvement(text, where) for text in _texts(value, where))


def _improvement(text: str, where: str) -> Improvement:
    found = _IMPROVES.match(text)
    if found is None:
        raise ConfigError(
            f"{where} must be such as 'metrics.f1', 'metrics.f1 by 0.005' or 'metrics.loss by 2 %', not {text!r}."
        )
    margin = float(found["margin"] or 0)
    name = found["metric"]
    metric = name[1:-1] if name[0] in '`"' else name
    return Improvement(metric, margin / 100 if found["part"] else margin, relative=bool(found["part"]))


_READERS: Mapping[str, Callable[[Value, str], object]] = {
    "exclusive": _flag,
    "requires": _texts,
    "improves": _improvements,
    "after": _texts,
    "clean": _flag,
    "branch": _texts,
    "data": _flag,
    "reproduced": _flag,
    "signed": _flag,
    "reason": _flag,
    "approvals": _count,
    "promoters": _texts,
    "force": _flag,
}
"""What may stand under a stage, and how it is read."""

UNDEFINED = StagePolicy(force=True)
"""Of a stage that the settings do not name."""
