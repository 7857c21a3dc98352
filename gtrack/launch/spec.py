"""One parameter of a script, as its source shows it."""

from __future__ import annotations

from dataclasses import dataclass, replace

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
        choices: the values that an option takes; empty when that is not restricted, or not shown by the source.
        ignores_case: whether upper and lower case are the same in them.
        options: what it is given by on the command line, once: ``--lr``, ``-l``.
    """

    name: str
    default: Value = None
    kind: str = ""
    line: int = 0
    aliases: tuple[str, ...] = ()
    choices: tuple[Value, ...] = ()
    ignores_case: bool = False
    options: tuple[str, ...] = ()

    def beside(self, other: ParameterSpec | None) -> ParameterSpec:
        """Return what is certain of a name that another command of the same script has for a parameter too."""
        if other is None:
            return self
        same = (self.choices, self.ignores_case) == (other.choices, other.ignores_case)
        kinds = {self.kind, other.kind}
        return replace(
            self,
            kind=self.kind if len(kinds) == 1 else "flag" if "flag" in kinds else "",
            aliases=tuple(dict.fromkeys((*other.aliases, *self.aliases))),
            choices=self.choices if same else (),
            options=tuple(dict.fromkeys((*other.options, *self.options))),
        )
