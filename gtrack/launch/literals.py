"""Literals of Python source: their values, the types they ask of a given value, and what is written down of a value."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Collection, Mapping
from enum import Enum
from os import PathLike
from typing import Any

from gtrack.errors import InvalidValue
from gtrack.records import Value

_LONGEST = 4096
"""Characters of a constant's text up to which it is a parameter: a page of prose or a table of labels is data."""

_LARGEST_POWER = 10_000
_FOLDED: dict[type[ast.operator], Callable[[int | float, int | float], int | float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}


class NotLiteralError(Exception):
    """An expression whose value is only known when it runs."""


class Unwritable(Exception):
    """A value that says nothing when it is written down: a function, a class, an object without a text of its own."""


def literal(node: ast.expr) -> object:
    """Return the value of an expression that is a literal, or arithmetic of numbers only (``2 * 64``).

    Raises:
        NotLiteralError: it is anything else, also bytes, complex numbers and ``...``, which a run cannot hold.
    """
    if isinstance(node, ast.Constant):
        if node.value is None or isinstance(node.value, bool | int | float | str):
            return node.value
    elif isinstance(node, ast.Tuple):
        return tuple(literal(element) for element in node.elts)
    elif isinstance(node, ast.List):
        return [literal(element) for element in node.elts]
    elif isinstance(node, ast.Set):
        return {_key(element) for element in node.elts}
    elif isinstance(node, ast.Dict):
        return {_key(key): literal(value) for key, value in zip(node.keys, node.values, strict=True)}
    elif isinstance(node, ast.UnaryOp | ast.BinOp):
        return _number(node)
    raise NotLiteralError


def _key(node: ast.expr | None) -> object:
    value = literal(node) if node is not None else []
    if isinstance(value, list | dict | set):
        raise NotLiteralError
    return value


def _number(node: ast.expr) -> int | float:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = _number(node.operand)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp) and type(node.op) in _FOLDED:
        left, right = _number(node.left), _number(node.right)
        if isinstance(node.op, ast.Pow) and (abs(right) > _LARGEST_POWER or abs(left) > _LARGEST_POWER):
            raise NotLiteralError
        try:
            result = _FOLDED[type(node.op)](left, right)
        except (ArithmeticError, ValueError):
            raise NotLiteralError from None
        if isinstance(result, int | float):
            return result
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return node.value
    raise NotLiteralError


def node_of(value: object) -> ast.expr:
    """Return the expression that makes ``value``: what ``literal`` takes, the other way round."""
    if isinstance(value, tuple):
        return ast.Tuple(elts=[node_of(element) for element in value], ctx=ast.Load())
    if isinstance(value, list):
        return ast.List(elts=[node_of(element) for element in value], ctx=ast.Load())
    if isinstance(value, set):
        if not value:
            return ast.Call(func=ast.Name(id="set", ctx=ast.Load()), args=[], keywords=[])
        return ast.Set(elts=[node_of(element) for element in value])
    if isinstance(value, dict):
        return ast.Dict(keys=[node_of(key) for key in value], values=[node_of(element) for element in value.values()])
    if value is None or isinstance(value, bool | int | float | str):
        return ast.Constant(value=value)
    message = f"{value!r} is no literal"
    raise TypeError(message)


def kind_of(value: object) -> str:
    """Return the name of the type of a literal, such as ``int``, ``tuple`` or ``None``."""
    return "None" if value is None else type(value).__name__


def fit(like: object, value: Value, text: str | None = None) -> Value:
    """Return ``value`` in the type of the literal that it takes the place of.

    That is as far as JSON knows types; ``restore`` does the rest.

    An int becomes a float where the literal is one, and a whole float an int; a scalar becomes text where the literal
    is text and the typed words are known. ``None`` fits everywhere, and everything fits in the place of ``None``.

    Args:
        like: the literal in the source.
        value: what was given.
        text: the words that were typed, when they were.

    Raises:
        InvalidValue: a value of this type cannot be meant; the message begins with the verb.
    """
    if value is None or like is None or (isinstance(like, dict) and isinstance(value, dict)):
        return value
    if isinstance(like, str) and (isinstance(value, str) or text is not None) and not isinstance(value, list | dict):
        return value if isinstance(value, str) else text
    if isinstance(like, bool):
        if isinstance(value, int) and value in {0, 1}:
            return bool(value)
    elif isinstance(like, int | float) and isinstance(value, int | float) and not isinstance(value, bool):
        return _as_number(like, value)
    elif isinstance(like, list | tuple | set) and isinstance(value, list):
        return _as_elements(like, value)
    raise InvalidValue(_cannot(like, value))


def _as_number(like: object, value: float) -> int | float:
    if isinstance(like, float):
        return float(value)
    return int(value) if float(value).is_integer() else value


def _as_elements(like: Collection[object], values: list[Value]) -> list[Value]:
    floats = bool(like) and all(isinstance(old, float) for old in like)
    return [float(value) if floats and type(value) is int else value for value in values]


def _cannot(like: object, value: Value) -> str:
    names = {"int": "a number", "float": "a number", "bool": "true or false", "str": "a text", "dict": "a mapping"}
    wanted = names.get(kind_of(like), "a list")
    got = names.get(kind_of(value), "a list")
    hint = " Put it in quotes if you mean the text." if isinstance(like, str) else ""
    hint = " Give true or false." if isinstance(like, bool) else hint
    hint = " Give it in brackets: [1, 2]." if isinstance(like, list | tuple | set) else hint
    return f"is {wanted} ({like!r}) and cannot be {got} ({value!r}).{hint}"


def restore(like: object, value: Value) -> object:
    """Return a fitted value in the type that JSON does not know: a tuple, a set, a mapping with whole-number keys."""
    if isinstance(value, list) and isinstance(like, tuple):
        return tuple(value)
    if isinstance(value, list) and isinstance(like, set):
        return set(value)
    if isinstance(value, dict) and isinstance(like, dict) and like and all(type(key) is int for key in like):
        return {int(key) if key.lstrip("-").isdecimal() else key: element for key, element in value.items()}
    return value


def is_brief(value: object) -> bool:
    """Whether a constant is short enough to be a parameter and not data."""
    return len(repr(value)) <= _LONGEST


def plain(value: object) -> Value:
    """Return what is written down of a value that a script holds.

    Numbers, texts, lists and mappings stay what they are; a path, a date, a member of an enumeration, a device become
    their text.

    Raises:
        Unwritable: nothing readable can be written: a function, a class, an object whose text is its address.
    """
    if value is None or type(value) in {bool, int, float, str}:
        return value  # type: ignore[return-value]  # the types are those of a Value, which mypy cannot see from type()
    try:
        return _plain(value)
    except Exception as error:  # objects of any library may raise anything when they are looked at
        raise Unwritable from error


def _plain(value: object) -> Value:
    if isinstance(value, Mapping):
        return {str(key): plain(element) for key, element in value.items()}
    if isinstance(value, list | tuple):
        return [plain(element) for element in value]
    if isinstance(value, set | frozenset):
        return [plain(element) for element in sorted(value, key=lambda element: (str(type(element)), str(element)))]
    if isinstance(value, Enum):
        return plain(value.value)
    return _of_object(value)


def _of_object(value: object) -> Value:
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)  # numpy's float64 is a float
    if isinstance(value, PathLike):
        return str(value)
    # The numbers of numpy and torch know what plain number they are; asking so imports neither.
    if hasattr(value, "shape") and hasattr(value, "tolist"):
        return _of_array(value)
    if hasattr(value, "read") or hasattr(value, "write"):
        name = getattr(value, "name", None)
        if isinstance(name, str):
            return name
        raise Unwritable
    text = str(value)
    if callable(value) or " at 0x" in text or not is_brief(text):
        raise Unwritable
    return text


def _of_array(array: Any) -> Value:
    count = 1
    for length in array.shape:
        count *= length
    elements = plain(array.tolist()) if count <= _LONGEST else None
    if elements is None or not is_brief(elements):
        raise Unwritable
    return elements


def plain_mapping(values: Mapping[str, object]) -> dict[str, Value]:
    """Return ``plain`` of each value that can be written, without the others."""
    result: dict[str, Value] = {}
    for name, value in values.items():
        try:
            result[name] = plain(value)
        except Unwritable:
            continue
    return result
