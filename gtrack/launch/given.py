"""The parameters that a person gives to a run: ``--param name=value`` and parameter files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gtrack.errors import FormatError, UsageError
from gtrack.formats.names import check_name
from gtrack.formats.yamlio import load_mapping, parse_value
from gtrack.launch.parameters import ScriptParameters
from gtrack.records import Value


@dataclass(frozen=True)
class Given:
    """What was given.

    Attributes:
        values: by name, typed.
        texts: the words of those that were typed on the command line, by the same names.
    """

    values: Mapping[str, Value] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


def read_given(words: Sequence[str], file: Path | None) -> Given:
    """Return what ``--param`` options and a parameters file give; the options win.

    Args:
        words: ``name=value`` texts, a value being a YAML scalar, flow list or flow mapping.
        file: a YAML or JSON mapping of names to values.

    Raises:
        UsageError: a word without ``=`` or name, a name with two values, or a file that cannot be read.
    """
    typed: dict[str, str] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--param takes name=value, such as --param lr=0.1, not {word!r}.")
        name = check_name(name.strip(), "parameter")
        if typed.setdefault(name, text) != text:
            raise UsageError(f"--param gives {name!r} twice: {typed[name]!r} and {text!r}. A parameter has one value.")
    values = _read_file(file) if file is not None else {}
    values.update({name: parse_value(text) for name, text in typed.items()})
    return Given(values, typed)


def _read_file(path: Path) -> dict[str, Value]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"The parameters file {path} cannot be read: {error.strerror}.") from error
    try:
        values = load_mapping(data, f"The parameters file {path}")
    except FormatError as error:
        raise UsageError(str(error)) from error
    return {check_name(name, "parameter"): value for name, value in values.items()}


def fit_given(given: Given, parameters: ScriptParameters, script: str, args: Sequence[str] = ()) -> Given:
    """Return ``given`` under the script's own names.

    A mapping of a parameters file whose name the script does not have, but of whose keys it has parameters
    (``optimizer.lr``), gives these.

    Args:
        given: what was given.
        parameters: those of the script.
        script: what messages call it.
        args: its own arguments, which must not give one of them too.

    Raises:
        UnknownParameter: the script has no parameter of a name.
        InvalidValue: a value is of another kind than the constant or option that it is for, or none of its choices.
        UsageError: a parameter is among the arguments too.
    """
    values: dict[str, Value] = {}
    for name, value in given.values.items():
        if isinstance(value, dict) and value and parameters.find(name) is None:
            values.update({f"{name}.{key}": item for key, item in value.items()})
        else:
            values[name] = value
    checked = parameters.check(values, script, given.texts)
    parameters.check_arguments(values, args)
    return Given(checked, {parameters.own_name(name): text for name, text in given.texts.items()})
