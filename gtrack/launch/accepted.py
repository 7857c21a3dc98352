"""Values that a parser would refuse for certain, found out before anything runs."""

from __future__ import annotations

from gtrack.errors import InvalidValue
from gtrack.launch.options import word
from gtrack.launch.spec import ParameterSpec
from gtrack.records import Value


def check_accepted(name: str, spec: ParameterSpec, value: Value, text: str | None, script: str) -> None:
    """Refuse a value that the type or the choices of an option exclude.

    Args:
        name: as it was given.
        spec: the option, as the source shows it.
        value: what was given; of a list, each element.
        text: the words that were typed, when they were.
        script: what messages call the script.

    Raises:
        InvalidValue: the parser could only refuse it.
    """
    for one in value if isinstance(value, list) else [value]:
        if one is None:
            continue
        typed = _word(spec, one, text if not isinstance(value, list) else None)
        made: Value = typed
        if spec.kind in {"int", "float"}:
            try:
                made = int(typed) if spec.kind == "int" else float(typed)
            except ValueError:
                wanted = "a whole number" if spec.kind == "int" else "a number"
                raise InvalidValue(f"{name} of {script} is {wanted} and cannot be {typed!r}.") from None
        if spec.choices and not _is_among(made, spec):
            choices = ", ".join(str(choice) for choice in spec.choices)
            raise InvalidValue(f"{name} of {script} cannot be {typed!r}. It is one of: {choices}.")


def _word(spec: ParameterSpec, value: Value, text: str | None) -> str:
    """Return the word that the parser gets to see, as the hooks of the child write it."""
    if spec.kind == "int" and isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bool) and text is None:
        return next((str(one) for one in spec.choices if str(one).lower() == str(value).lower()), str(value))
    return word(value, text)


def _is_among(value: Value, spec: ParameterSpec) -> bool:
    if spec.ignores_case and isinstance(value, str):
        return value.casefold() in {str(choice).casefold() for choice in spec.choices}
    return value in spec.choices
