"""One parameter of a script, as its source shows it."""

from __future__ import annotations

from dataclasses import dataclass

from gtrack.records import Value


@dataclass(frozen=True)
class ParameterSpec:
    """A parameter that a script has.

    Attributes:
        name: what it is called in a run; for a key of a dict constant ``optimizer.lr``.
        default: the value it has when it is not given; None when there is none, or when the source does not show it.
        kind: the type of its value as a Python programmer says it: ``int``, ``float``, ``bool``, ``str``, ``list``,
            ``tuple``, ``set``, ``dict``, ``None``, ``flag``; empty when the source does not show it.
        line: where it is defined, counted from 1; 0 when that is not in the script itself.
        aliases: other names by which it may be given: ``lr`` of an option ``--lr`` that is kept as ``learning_rate``.
    """

    name: str
    default: Value = None
    kind: str = ""
    line: int = 0
    aliases: tuple[str, ...] = ()
