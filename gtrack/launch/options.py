"""Given values as the words of a command line, whoever parses it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from gtrack.errors import UnknownParameter
from gtrack.records import Value


def refuse(message: str) -> NoReturn:
    """End the script before it does anything: ``message`` on stderr, exit code 2."""
    sys.stderr.write(f"gtrack: {message}\n")
    raise SystemExit(2)


def same_name(name: str, own: str) -> bool:
    """Whether ``name`` means the option or destination ``own``: ``batch-size`` is ``batch_size`` is ``--batch-size``."""
    return name.replace("-", "_") == own.lstrip("-+/").replace("-", "_")


def word(value: Value, text: str | None = None) -> str:
    """Return what somebody would type for ``value`` after an option.

    Args:
        value: what was given.
        text: the words that were typed, when they were: they say more than their value (``007``, ``1.10``).
    """
    if isinstance(value, str):
        return value
    if text is not None:
        return text
    return json.dumps(value) if isinstance(value, list | dict) else str(value)


def words(value: Value, text: str | None = None) -> list[str]:
    """Return the words for an option that takes several."""
    return [word(element) for element in value] if isinstance(value, list) else [word(value, text)]


def repeated(args: Sequence[str], options: Iterable[str]) -> str | None:
    """Return the option that ``args`` already have, or None; what stands after ``--`` is no option."""
    before = args[: args.index("--")] if "--" in args else args
    names = tuple(options)
    return next((arg for arg in before if arg.split("=", 1)[0] in names), None)


def given_twice(name: str, option: str) -> str:
    """Return what is said of a value that is given as a parameter and as an argument."""
    return f"{name} is given twice: with --param and with {option} after --. Leave one of them out."


@dataclass
class Given:
    """The given values, while a parser comes to ask for them.

    Attributes:
        script: what messages call the script.
        values: by name.
        texts: the words that were typed, by name.
        taken: the names that a parser has taken.
        refused: whether the last parser that the script came to has not let it go on: it never ran with anything.
    """

    script: str
    values: Mapping[str, Value]
    texts: Mapping[str, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    refused: bool = False

    def unknown(self, known: Iterable[str]) -> None:
        """Refuse the first given name that is not among the ``known`` ones."""
        names = [name.lstrip("-").replace("-", "_") for name in known]
        for name in self.values:
            if name.replace("-", "_") not in names:
                refuse(str(UnknownParameter.of(name, self.script, list(dict.fromkeys(names)))))

    def untaken(self) -> list[str]:
        """Return the names that no parser has taken."""
        return [name for name in self.values if name not in self.taken]

    def notices(self) -> list[str]:
        """Return a sentence for each name that no parser has taken when the script has ended."""
        if self.refused:
            return []
        return [f"{name} was given, but {self.script} never asked for it: it ran without." for name in self.untaken()]

    def refuse_repeated(self, name: str, option: str) -> NoReturn:
        """Refuse a value that is given as a parameter and as an argument."""
        refuse(given_twice(name, option))

    def refuse_value(self, name: str, why: str) -> NoReturn:
        """Refuse a value that the option ``name`` cannot take."""
        refuse(f"{name} of {self.script} cannot be {self.values[name]!r}: {why}")


class CommandLine:
    """Keeps ``sys.argv`` what the script would have been started with, so that a script that starts itself again is right."""

    def __init__(self) -> None:
        self._before: list[str] | None = None
        self._after: list[str] | None = None
        self._inserted: list[list[str]] = []

    def plain(self, args: Sequence[str] | None) -> list[str]:
        """Return the arguments of an outermost parse without what an earlier parse of the same arguments put in."""
        plain = list(sys.argv[1:] if args is None else args)
        if self._before is not None and plain == self._after:
            plain = list(self._before)
            if sys.argv[1:] == self._after:
                sys.argv[1:] = self._before
        for inserted in self._inserted:
            if inserted and plain[: len(inserted)] == inserted:
                plain = plain[len(inserted) :]
        return plain

    def exchange(self, old: Sequence[str], new: Sequence[str]) -> None:
        """Put ``new`` in the place of ``old``, when that is how ``sys.argv`` ends."""
        now = sys.argv[1:]
        keep = len(now) - len(old)
        if keep < 0 or now[keep:] != list(old) or list(old) == list(new):
            return
        if self._before is None or now != self._after:
            self._before = now
        sys.argv[1:] = [*now[:keep], *new]
        self._after = sys.argv[1:]
        self._inserted.append(list(new[: len(new) - len(old)]))
