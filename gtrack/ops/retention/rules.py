"""``retention.rules`` of the settings: which runs ``gtrack gc`` removes.

::

    retention:
      rules:
        - name: papers
          tag: paper
          do: keep
        - name: failures
          status: [failed, killed]
          older_than: 30d
        - experiment: sweep-*
          keep_best: 10 by metrics.f1 DESC

All conditions of a rule must hold. The first rule that takes a run decides about it; a run that none takes is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from gtrack.errors import ConfigError, InvalidName, QueryError, nearest
from gtrack.formats.names import check_name
from gtrack.records import Status
from gtrack.store.query.parser import parse_filter, parse_order

if TYPE_CHECKING:
    from gtrack.records import Value

KEEP, REMOVE = "keep", "remove"
CONDITIONS = ("experiment", "status", "older_than", "tag", "larger_than", "where", "keep_best")
_KEYS = ("name", *CONDITIONS, "do")
_STATUSES = tuple(status.value for status in Status if status is not Status.RUNNING)
_AGE = re.compile(r"(?P<count>[0-9]{1,6}(?:\.[0-9]{1,6})?)\s*(?P<unit>[mhdwy])\Z")
_AGE_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31557600}
_SIZE = re.compile(r"(?P<count>[0-9]{1,12}(?:\.[0-9]{1,6})?)\s*(?P<unit>[kmgt]?i?b)\Z", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_BEST = re.compile(r"(?P<count>[0-9]{1,9})\s+by\s+(?P<order>\S.*)\Z", re.IGNORECASE)
_DIRECTION = re.compile(r"[+-]|.*\s(?:asc|desc)\s*\Z", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Best:
    """How many runs of each experiment are kept, and what makes a run good.

    Attributes:
        count: so many.
        order: what they are sorted by, the best first: ``metrics.f1 DESC``.
        directed: whether ``order`` says the direction; else it is that in which the metric is better.
    """

    count: int
    order: str
    directed: bool


@dataclass(frozen=True)
class Rule:
    """One rule; conditions that are empty or None hold for every run.

    Attributes:
        name: what it is called, ``rule 2`` when the settings do not say.
        keep: whether the runs that it takes are kept; else they are removed.
        experiments: globs, one of which must match the experiment's name.
        statuses: one of which the run must have.
        older_than: the run must have ended, or else started, longer ago.
        tags: keys, with values where these matter; the run must have one of them.
        larger_than: bytes that its directory must exceed, large artifacts with their content.
        where: a filter in the query language.
        keep_best: of the runs that all else selects, the best of each experiment are not taken.
    """

    name: str
    keep: bool = False
    experiments: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    older_than: timedelta | None = None
    tags: tuple[tuple[str, str | None], ...] = ()
    larger_than: int | None = None
    where: str = ""
    keep_best: Best | None = None


def parse_rules(raw: Sequence[Value]) -> tuple[Rule, ...]:
    """Return the rules that ``Config.retention`` holds.

    Args:
        raw: as it was read.

    Raises:
        ConfigError: one cannot be understood; the message names the rule and the key.
    """
    rules = [_rule(one, number) for number, one in enumerate(raw, 1)]
    for at, rule in enumerate(rules):
        if rule.name in {other.name for other in rules[:at]}:
            raise ConfigError(f"retention.rules: two rules are called {rule.name!r}; give each a name of its own.")
    return tuple(rules)


def _rule(raw: Value, number: int) -> Rule:
    where = f"retention.rules, rule {number}"
    if not isinstance(raw, dict):
        raise ConfigError(f"{where} must be a mapping with {', '.join(_KEYS)}, not {raw!r}.")
    name = raw.get("name")
    if name is not None:
        try:
            where = f"{where} ({check_name(name, 'rule')})"
        except InvalidName as error:
            raise ConfigError(f"{where}: name: {error}") from error
    for key in raw:
        if key not in _KEYS:
            raise ConfigError(
                f"{where} has an unknown key {key!r}.{nearest(str(key), _KEYS)} Known: {', '.join(_KEYS)}."
            )
    keep = _do(raw.get("do", REMOVE), where) == KEEP
    if not keep and not any(raw.get(key) is not None for key in CONDITIONS):
        raise ConfigError(
            f"{where} has no condition, and would remove every run. Say which it is about: {', '.join(CONDITIONS)}."
        )
    return Rule(str(name) if name is not None else f"rule {number}", keep, **_conditions(raw, where))


def _conditions(raw: Mapping[str, Value], where: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, (attribute, read) in _READERS.items():
        said = raw.get(key)
        if said is None:
            continue
        try:
            found[attribute] = read(said)
        except (ValueError, QueryError) as error:
            raise ConfigError(f"{where}: {key}: {error}") from error
    return found


def _do(said: Value, where: str) -> str:
    if said not in (KEEP, REMOVE):
        raise ConfigError(f"{where}: do: {said!r} is neither {REMOVE} nor {KEEP}.{nearest(str(said), (KEEP, REMOVE))}")
    return str(said)


def _texts(said: Value) -> tuple[str, ...]:
    listed = said if isinstance(said, list) else [said]
    if not listed or not all(isinstance(one, str) and one for one in listed):
        raise ValueError(f"expected a name or a list of names, not {said!r}.")
    return tuple(str(one) for one in listed)


def _statuses(said: Value) -> tuple[str, ...]:
    names = _texts(said)
    for name in names:
        if name not in _STATUSES:
            raise ValueError(f"{name!r} is none of {', '.join(_STATUSES)}.{nearest(name, _STATUSES)}")
    return names


def _tags(said: Value) -> tuple[tuple[str, str | None], ...]:
    found = []
    for text in _texts(said):
        key, equals, value = text.partition("=")
        if not key:
            raise ValueError(f"expected a key, or key=value, not {text!r}.")
        found.append((key, value if equals else None))
    return tuple(found)


def parse_age(said: Value) -> timedelta:
    """Return a time span: ``30d``, ``12h``, ``2w``, ``90m`` (minutes), ``1y``.

    Raises:
        ValueError: it is none.
    """
    match = _AGE.match(said.strip()) if isinstance(said, str) else None
    if match is None:
        raise ValueError(f"expected a time such as 30d, 12h, 2w, 90m or 1y, not {said!r}.")
    return timedelta(seconds=float(match["count"]) * _AGE_SECONDS[match["unit"]])


def parse_size(said: Value) -> int:
    """Return a number of bytes: ``500MB``, ``1.5 GB`` (powers of 1000), ``10MiB`` (of 1024).

    Raises:
        ValueError: it is none.
    """
    match = _SIZE.match(said.strip()) if isinstance(said, str) else None
    if match is None:
        raise ValueError(f"expected a size such as 500MB, 2GB or 10MiB, not {said!r}.")
    unit = match["unit"].lower().removesuffix("b")
    base = 1024 if unit.endswith("i") else 1000
    return int(float(match["count"]) * base ** _POWERS[unit.removesuffix("i")])


def _where(said: Value) -> str:
    if not isinstance(said, str) or not said.strip():
        raise ValueError(f'expected a filter such as "metrics.f1 < 0.5", not {said!r}.')
    parse_filter(said, strict=False)
    return said


def _keep_best(said: Value) -> Best:
    match = _BEST.match(said.strip()) if isinstance(said, str) else None
    if match is None:
        raise ValueError(f"expected a number and what is best, such as '10 by metrics.f1 DESC', not {said!r}.")
    parse_order(match["order"], strict=False)
    return Best(int(match["count"]), match["order"], _DIRECTION.match(match["order"]) is not None)


_READERS: Mapping[str, tuple[str, Callable[[Value], object]]] = {
    "experiment": ("experiments", _texts),
    "status": ("statuses", _statuses),
    "older_than": ("older_than", parse_age),
    "tag": ("tags", _tags),
    "larger_than": ("larger_than", parse_size),
    "where": ("where", _where),
    "keep_best": ("keep_best", _keep_best),
}
