"""Given values reach a click or typer command as options, and what each command runs with is recorded.

Every command of a line parses its own arguments: the given options that it knows are put before them, and an argument (a
positional) that is given is taken out of the line, so that the others keep their order. Typer from 0.26 on carries a click
of its own; both have the same shape.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from types import ModuleType
from typing import Any, TypeAlias

from gtrack.launch.options import CommandLine, Given, refuse, repeated, same_name, word, words
from gtrack.launch.post_import import when_imported
from gtrack.launch.recorder import Recorder
from gtrack.records import Value

# Objects of click or of typer's own click, whichever the script brings: gtrack imports neither.
Command: TypeAlias = Any
Context: TypeAlias = Any
Parameter: TypeAlias = Any

_HELP = frozenset({"help", "_click_default_help"})


class ClickHook:
    """Stands before the commands of a script.

    Args:
        given: the values to be passed.
        recorder: where the resulting parameters go.
    """

    def __init__(self, given: Given, recorder: Recorder) -> None:
        self._given = given
        self._recorder = recorder
        self._line = CommandLine()

    def install(self) -> None:
        """Wait for the script to import click or typer."""
        when_imported("click.core", self._wrap)
        when_imported("typer._click.core", self._wrap)

    def _wrap(self, module: ModuleType) -> None:
        method: Callable[..., Any] = module.Command.parse_args

        @wraps(method)
        def parse_args(command: Command, context: Context, args: list[str]) -> Any:
            if not self._recorder.here or context.resilient_parsing:
                return method(command, context, args)
            return self._parse(method, command, context, args)

        module.Command.parse_args = parse_args

    def _parse(self, method: Callable[..., Any], command: Command, context: Context, args: list[str]) -> Any:
        parameters = [one for one in command.get_params(context) if one.name not in _HELP]
        self._given.refused = True  # until a command has let the script go on
        if context.parent is None:
            self._refuse_unknown(command, context)
            args = self._line.plain(args)
        found = self._found(parameters, args, nested=_is_group(command))
        if not _is_group(command) and not _is_chained(context):
            self._refuse_untaken(command)
        options = [
            token for name, parameter in found if _is_option(parameter) for token in self._option(parameter, name)
        ]
        positional = {one.name: self._positional(one, name) for name, one in found if not _is_option(one)}
        shown = [token for tokens in positional.values() for token in tokens]
        self._line.exchange(args, [*options, *shown, *args])
        with _passed(parameters, positional):
            rest = method(command, context, [*options, *args])
        self._record(context, parameters)
        self._given.refused = _is_group(command) and not getattr(command, "invoke_without_command", False)
        return rest

    def _found(self, parameters: Sequence[Parameter], args: list[str], *, nested: bool) -> list[tuple[str, Parameter]]:
        found: list[tuple[str, Parameter]] = []
        for name in self._given.values:
            parameter = _matching(parameters, name)
            if parameter is None:
                continue
            options = [*parameter.opts, *parameter.secondary_opts] if _is_option(parameter) else []
            twice = None if nested or getattr(parameter, "multiple", False) else repeated(args, options)
            if twice is not None:
                self._given.refuse_repeated(name, twice)
            self._given.taken.add(name)
            found.append((name, self._of_flags(parameters, parameter, name)))
        return found

    def _of_flags(self, parameters: Sequence[Parameter], parameter: Parameter, name: str) -> Parameter:
        """Return the one whose flag means the value, where several flags write to one name (feature switches)."""
        same = [one for one in parameters if one.name == parameter.name]
        text = word(self._given.values[name], self._given.texts.get(name))
        return next((one for one in same if len(same) > 1 and str(getattr(one, "flag_value", None)) == text), parameter)

    def _option(self, parameter: Parameter, name: str) -> list[str]:
        value, text = self._given.values[name], self._given.texts.get(name)
        option = max(parameter.opts, key=len)
        if value is None:
            if parameter.default is not None and "UNSET" not in repr(parameter.default):
                self._given.refuse_value(name, f"an option takes text, and its default is {parameter.default!r}.")
            return []
        if getattr(parameter, "count", False):
            return [option] * value if isinstance(value, int) else self._given.refuse_value(name, "it is counted.")
        if getattr(parameter, "is_flag", False):
            return self._flag(parameter, name, option)
        uses = value if isinstance(value, list) and getattr(parameter, "multiple", False) else [value]
        texts = [text] if not isinstance(value, list) else [None] * len(uses)
        tokens: list[str] = []
        for one, typed in zip(uses, texts, strict=True):
            tokens += _use(parameter, option, one, typed)
        return tokens

    def _flag(self, parameter: Parameter, name: str, option: str) -> list[str]:
        value = self._given.values[name]
        if not getattr(parameter, "is_bool_flag", True):
            if value in {True, str(parameter.flag_value)} or value == parameter.flag_value:
                return [option]
            return self._given.refuse_value(name, f"{option} makes it {parameter.flag_value!r}.")
        if not isinstance(value, bool) and value not in {0, 1}:
            return self._given.refuse_value(name, "it is true or false.")
        secondary = list(parameter.secondary_opts)
        negated = any(same_name(name, text) for text in secondary) and not same_name(name, parameter.name)
        wanted = bool(value) is not negated
        if wanted:
            return [option]
        if secondary:
            return [max(secondary, key=len)]
        if parameter.default is True:
            return self._given.refuse_value(name, f"it is true already, and {option} is all that can be said of it.")
        return []

    def _positional(self, parameter: Parameter, name: str) -> list[str]:
        value, text = self._given.values[name], self._given.texts.get(name)
        if value is None:
            self._given.refuse_value(name, "an argument takes text.")
        return [_word(parameter, value, text)] if parameter.nargs == 1 else words(value, text)

    def _record(self, context: Context, parameters: Sequence[Parameter]) -> None:
        hidden = {one.name for one in parameters if getattr(one, "hide_input", False)}
        names = [one.name for one in parameters if one.name in context.params and one.name not in hidden]
        values = {name: context.params[name] for name in names}
        self._recorder.params(_apart(context, values))

    def _refuse_unknown(self, command: Command, context: Context) -> None:
        if self._given.values:
            self._given.unknown(_names(command, context))

    def _refuse_untaken(self, command: Command) -> None:
        missing = self._given.untaken()
        if missing:
            refuse(f"{missing[0]} belongs to another subcommand of {self._given.script} than {command.name!r}.")

    def finish(self) -> None:
        """Say which given values no command has taken."""
        for notice in self._given.notices():
            self._recorder.notice(notice)


def _apart(context: Context, values: Mapping[str, object]) -> dict[str, object]:
    """Return ``values``, those of a subcommand under its name where a command before it has another of that name."""
    apart: dict[str, object] = {}
    for name, value in values.items():
        parent = context.parent
        while parent is not None and parent.params.get(name, value) == value:
            parent = parent.parent
        apart[name if parent is None else f"{context.info_name}.{name}"] = value
    return apart


def _is_group(command: Command) -> bool:
    return callable(getattr(command, "resolve_command", None))


def _is_chained(context: Context) -> bool:
    return context.parent is not None and bool(getattr(context.parent.command, "chain", False))


def _is_option(parameter: Parameter) -> bool:
    return bool(parameter.param_type_name == "option")


def _matching(parameters: Sequence[Parameter], name: str) -> Parameter | None:
    for parameter in parameters:
        if same_name(name, parameter.name or ""):
            return parameter
    for parameter in parameters:
        if any(same_name(name, text) for text in (*parameter.opts, *parameter.secondary_opts)):
            return parameter
    return None


def _names(command: Command, context: Context) -> Iterator[str]:
    """Yield the names by which the parameters of a command and of its subcommands may be given."""
    for parameter in command.get_params(context):
        if parameter.name not in _HELP and parameter.expose_value:
            yield from (parameter.name or "", *parameter.opts, *parameter.secondary_opts)
    if _is_group(command):
        for name in command.list_commands(context):
            nested = command.get_command(context, name)
            if nested is not None:
                yield from _names(nested, context)


def _use(parameter: Parameter, option: str, value: Value, text: str | None) -> list[str]:
    if parameter.nargs != 1:
        return [option, *words(value, text)]
    made = _word(parameter, value, text)
    # Behind `=` an option whose value may be left out takes it too; a short option has no such form.
    return [f"{option}={made}"] if option.startswith("--") else [option, made]


def _word(parameter: Parameter, value: Value, text: str | None) -> str:
    whole = getattr(getattr(parameter, "type", None), "name", "") == "integer"
    annotated = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    if (whole or annotated is int) and isinstance(value, float) and value.is_integer():
        return str(int(value))
    return word(value, text)


@contextlib.contextmanager
def _passed(parameters: Sequence[Parameter], positional: Mapping[str, list[str]]) -> Iterator[None]:
    """Give the positionals their words and keep them out of the line, while a command parses it."""
    changed = [one for one in parameters if not _is_option(one) and one.name in positional]
    for parameter in changed:
        tokens = positional[parameter.name]
        _replace(parameter, tokens[0] if parameter.nargs == 1 else tuple(tokens))
    try:
        yield
    finally:
        for parameter in changed:
            del parameter.add_to_parser
            del parameter.handle_parse_result


def _replace(parameter: Parameter, value: object) -> None:
    original = parameter.handle_parse_result

    def handle_parse_result(context: Context, options: Mapping[str, object], args: list[str]) -> Any:
        return original(context, {**options, parameter.name: value}, args)

    def add_to_parser(parser: object, context: Context) -> None:
        pass

    parameter.handle_parse_result = handle_parse_result
    parameter.add_to_parser = add_to_parser
