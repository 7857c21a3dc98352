"""Given values reach an argparse parser as options, and what it makes of all its arguments is recorded.

The values are put before the arguments that a parser is called with, each parser of a nest taking its own. So its own types,
choices, numbers of arguments and actions apply, and its own messages tell what is wrong. ``--help`` is never executed.
"""

from __future__ import annotations

import contextlib
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

from gtrack.launch.argparse_words import Words, has_subcommands, matching, names, stand_in, words_for
from gtrack.launch.joined import shown
from gtrack.launch.literals import plain_mapping
from gtrack.launch.options import CommandLine, Given, refuse, repeated
from gtrack.launch.post_import import when_imported
from gtrack.launch.recorder import Recorder
from gtrack.records import Value

if TYPE_CHECKING:
    from argparse import Action, ArgumentParser

Method: TypeAlias = Callable[..., Any]

_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


@dataclass
class _Parse:
    """One outermost parse.

    Attributes:
        strict: whether an argument that no parser knows is an error.
        parsers: the ids of the parsers of the nest that have been at work.
        destinations: given name to the attribute of the namespace that it went into.
    """

    strict: bool
    parsers: list[int] = field(default_factory=list)
    destinations: dict[str, str] = field(default_factory=dict)


@dataclass
class _Parsed:
    """A namespace that was filled, what was written down of it, and which given names went where."""

    namespace: object
    values: Mapping[str, Value]
    destinations: Mapping[str, str]


class ArgparseHook:
    """Stands before the parsers of a script.

    Args:
        given: the values to be passed.
        recorder: where the resulting parameters go.
        own: a directory whose parsers are the script's own even when it lies among the installed packages.
    """

    def __init__(self, given: Given, recorder: Recorder, own: str | None = None) -> None:
        self._given = given
        self._recorder = recorder
        self._own = own
        self._line = CommandLine()
        self._current: _Parse | None = None
        self._parsed: list[_Parsed] = []
        self._module: ModuleType | None = None

    def install(self) -> None:
        """Wait for the script to import argparse."""
        when_imported("argparse", self._wrap)

    def _wrap(self, module: ModuleType) -> None:
        self._module = module
        parser = module.ArgumentParser
        for name in ("parse_args", "parse_intermixed_args"):
            setattr(parser, name, self._wrapped(getattr(parser, name), strict=True))
        for name in ("parse_known_args", "parse_known_intermixed_args"):
            setattr(parser, name, self._wrapped(getattr(parser, name), strict=False))

    def _wrapped(self, method: Method, *, strict: bool) -> Method:
        @wraps(method)
        def parse(parser: ArgumentParser, args: Sequence[str] | None = None, namespace: object = None) -> Any:
            current = self._current
            if current is None:
                if not self._recorder.here or self._is_foreign(parser):
                    return method(parser, args, namespace)
                return self._outermost(parse, parser, args, namespace, strict=strict)
            # parse_args only calls parse_known_args, which older versions of Python do twice for intermixed arguments.
            if strict or id(parser) in current.parsers:
                return method(parser, args, namespace)
            return self._level(method, parser, current, args, namespace)

        return parse

    def _outermost(
        self, method: Method, parser: ArgumentParser, args: Sequence[str] | None, namespace: object, *, strict: bool
    ) -> Any:
        self._current = current = _Parse(strict)
        self._given.refused = True  # until the parser has let the script go on
        try:
            result = method(parser, args, namespace)
        finally:
            self._current = None
        if strict:
            self._refuse_untaken(current)
        self._given.refused = False
        self._record(result if strict else result[0], current)
        return result

    def _level(
        self, method: Method, parser: ArgumentParser, current: _Parse, args: Sequence[str] | None, namespace: object
    ) -> Any:
        """Parse at one level of a nest, with the given values that this parser knows."""
        outermost = not current.parsers
        current.parsers.append(id(parser))
        if outermost and current.strict:
            self._given.unknown(names(parser))
        plain = self._line.plain(args) if outermost else list(args or ())
        found = self._found(parser, current, plain)
        with self._stand_ins(parser, found):
            self._line.exchange(plain, _composed(parser, plain, found, shown=True))
            with self._end_of_values(parser, found) as end:
                return method(parser, _composed(parser, plain, found, end=end), namespace)

    def _found(self, parser: ArgumentParser, current: _Parse, plain: list[str]) -> list[Words]:
        found: list[Words] = []
        for name in self._given.values:
            actions = matching(parser, name)
            if not actions:
                continue
            options = [text for action in actions for text in action.option_strings]
            twice = None if has_subcommands(parser) else repeated(plain, options)
            if twice is not None:
                self._given.refuse_repeated(name, twice)
            current.destinations[name] = actions[0].dest
            self._given.taken.add(name)
            found.append(words_for(parser, actions, name, self._given))
        return found

    @contextlib.contextmanager
    def _stand_ins(self, parser: ArgumentParser, found: Sequence[Words]) -> Iterator[None]:
        """Make options of the positionals that are given by name, so that the others keep their order."""
        options = parser._option_string_actions  # noqa: SLF001  # argparse has no other way to say so
        changed: list[tuple[Action, str]] = []
        for words in found:
            if words.positional is not None:
                option = stand_in(parser, words.positional)
                options[option] = words.positional
                words.positional.option_strings = [option]
                changed.append((words.positional, option))
        try:
            yield
        finally:
            for action, option in changed:
                action.option_strings = []
                del options[option]

    @contextlib.contextmanager
    def _end_of_values(self, parser: ArgumentParser, found: Sequence[Words]) -> Iterator[str]:
        """Add an option that does nothing, where only another option keeps values from swallowing a subcommand."""
        others = [words for words in found if not words.greedy and not words.subcommand and words.parsed]
        greedy = any(words.greedy for words in found)
        if not greedy or others or not has_subcommands(parser) or self._module is None:
            yield ""
            return
        ignore = type("EndOfValues", (self._module.Action,), {"__call__": lambda *_: None})
        option = f"{parser.prefix_chars[0] * 2}\x1f"
        nowhere = self._module.SUPPRESS
        action = parser.add_argument(option, action=ignore, nargs=0, dest=nowhere, default=nowhere)
        try:
            yield option
        finally:
            del parser._option_string_actions[option]  # noqa: SLF001  # argparse cannot take an option back
            parser._actions.remove(action)  # noqa: SLF001  # see above
            parser._optionals._group_actions.remove(action)  # noqa: SLF001  # see above

    def _refuse_untaken(self, current: _Parse) -> None:
        missing = [name for name in self._given.values if name not in current.destinations]
        if missing:
            refuse(f"{missing[0]} belongs to another subcommand of {self._given.script} than the one that was run.")

    def _record(self, namespace: object, current: _Parse) -> None:
        values = plain_mapping(getattr(namespace, "__dict__", {}))
        self._recorder.params(values)
        self._parsed.append(_Parsed(namespace, values, dict(current.destinations)))

    def finish(self) -> None:
        """Say which given values the script changed after the parse, or never asked for.

        What is recorded stays what the parse made of them: that is what the script went by.
        """
        for notice in self._given.notices():
            self._recorder.notice(notice)
        seen: set[str] = set()
        for parsed in reversed(self._parsed):
            now = plain_mapping(getattr(parsed.namespace, "__dict__", {}))
            for name, destination in parsed.destinations.items():
                was, ended = parsed.values.get(destination), now.get(destination)
                if destination not in seen and destination in now and ended != was:
                    self._say_changed(name, was, ended)
            seen.update(parsed.values)

    def _say_changed(self, name: str, was: Value, ended: Value) -> None:
        given = self._given.values[name]
        told, ended = shown(name, given if given == was else was), shown(name, ended)
        self._recorder.notice(f"{name} was given as {told!r} and is {ended!r} at the end: the script changed it.")

    def _is_foreign(self, parser: ArgumentParser) -> bool:
        """Whether a library parses arguments of its own, which are no parameters of the script."""
        classes = {sys.modules.get(kind.__module__) for kind in type(parser).__mro__}
        files = {getattr(module, "__file__", None) for module in classes if module is not None} | {__file__}
        frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  # inspect.currentframe, without importing inspect
        while frame is not None and frame.f_code.co_filename in files - {_main_file()}:
            frame = frame.f_back
        if frame is None:
            return False
        path = frame.f_code.co_filename
        if self._own is not None and path.startswith(self._own):
            return False
        return path.startswith(_LIBRARIES) or "site-packages" in path


def _main_file() -> str | None:
    return getattr(sys.modules.get("__main__"), "__file__", None)


def _composed(
    parser: ArgumentParser, plain: list[str], found: Sequence[Words], *, shown: bool = False, end: str = ""
) -> list[str]:
    """Return the arguments with the given values put in.

    Options go to the front, where they belong to this parser and not to a subcommand; values of which there may be any
    number go to the end, where nothing follows that they could swallow, unless a subcommand does.
    """
    order = sorted(found, key=lambda words: (words.subcommand, shown and words.positional is None))
    front = [token for words in order if not words.greedy for token in (words.shown if shown else words.parsed)]
    greedy = [token for words in order if words.greedy for token in (words.shown if shown else words.parsed)]
    if has_subcommands(parser):
        return [*greedy, *([end] if end else []), *front, *plain]
    cut = plain.index("--") if "--" in plain else len(plain)
    return [*front, *plain[:cut], *greedy, *plain[cut:]]
