"""YAML as the run format wants it: the only module that imports yaml.

What is written is valid YAML 1.2 and reads the same under YAML 1.1 loaders: anything that one of them would take for another
type is quoted, a float always has a dot and a signed exponent. What is read follows the YAML 1.2 core schema
(https://yaml.org/spec/1.2.2/#103-core-schema), so ``1e-5`` is a float, ``no`` a string and a time stamp stays text.

The writer is not PyYAML's: that one follows YAML 1.1 alone and takes a millisecond for a file of thirty lines, which a run
writes five of.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import yaml

from gtrack.errors import FormatError, InvalidValue

if TYPE_CHECKING:
    from gtrack.records import Value

Plain: TypeAlias = "Value | datetime | Mapping[str, Any] | tuple[Any, ...]"

MAX_BYTES = 16 * 1024 * 1024
"""The largest YAML document that is read."""
MAX_ALIASES = 20
"""gtrack writes none; a document with more is taken for an alias bomb."""

_INDENT = "  "
_FLOW_WIDTH = 100

# A plain scalar begins with a letter or underscore (so it is no number, date or indicator) and holds no ": " and no " #".
_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@+=()<>~%-]*(?:[ :][A-Za-z0-9_./@+=()<>~%-]+)*\Z", re.ASCII)
_PLAIN_FLOW = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@+=()<>~%-]*(?: [A-Za-z0-9_./@+=()<>~%-]+)*\Z", re.ASCII)
# Hexadecimal ids begin with a digit: plain as soon as a letter other than e, x, o, b rules every number notation out.
_PLAIN_DIGITS = re.compile(r"(?!0[xXoObB])[0-9][0-9A-Za-z]*[ac-df-np-wyzAC-DF-NP-WYZ][0-9A-Za-z]*\Z", re.ASCII)
_WORDS_WITH_TYPE = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"})
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_LITERAL = re.compile(r"[^\s\x00-\x1f](?:[^\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]*)\Z")


def quote(text: str) -> str:
    """Return ``text`` as a double-quoted scalar that is both JSON and YAML.

    Raises:
        InvalidValue: for lone surrogates, which UTF-8 cannot hold.
    """
    quoted = json.dumps(text, ensure_ascii=False)
    try:
        quoted.encode()
    except UnicodeEncodeError as error:
        raise InvalidValue(f"{text!r} is not valid Unicode text and cannot be written.") from error
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match.group()):04x}", quoted)


def number(value: float) -> str:
    """Return an int or a float (not a bool) as both YAML versions read it: ``1.0e-05``, ``.nan``, ``-.inf``."""
    text = repr(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
        if "e" in text and "." not in text:
            text = text.replace("e", ".0e")
    return text


def timestamp(moment: datetime) -> str:
    """Return an aware ``moment`` in UTC with microseconds: ``2026-11-22T19:40:01.123456Z``."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_timestamp(text: object) -> datetime | None:
    """Return the moment that ``text`` (ISO 8601) names, in UTC; None when it names none."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or timezone.utc).astimezone(timezone.utc)


def scalar(value: Plain, *, flow: bool = True) -> str:
    """Return ``value`` on one line; lists and mappings in flow style.

    Args:
        value: what to write.
        flow: whether the text stands inside a flow collection, where fewer strings may stay unquoted.
    """
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, str):
        return _string(value, _PLAIN_FLOW if flow else _PLAIN)
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, datetime):
        return timestamp(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{quote(key)}: {scalar(item)}" for key, item in value.items()) + "}"
    return "[" + ", ".join(scalar(item) for item in value) + "]"


def _string(text: str, plain: re.Pattern[str]) -> str:
    if (plain.match(text) and text.lower() not in _WORDS_WITH_TYPE) or _PLAIN_DIGITS.match(text):
        return str(text)
    return quote(text)


def dumps(mapping: Mapping[str, Plain]) -> str:
    """Return ``mapping`` as a YAML document in block style, keys in their order."""
    if not mapping:
        return "{}\n"
    lines: list[str] = []
    _block_mapping(mapping, "", lines)
    lines.append("")
    return "\n".join(lines)


def _block_mapping(mapping: Mapping[str, Plain], indent: str, lines: list[str]) -> None:
    for key, value in mapping.items():
        head = f"{indent}{_string(key, _PLAIN_FLOW)}:"
        if isinstance(value, Mapping) and value:
            lines.append(head)
            _block_mapping(value, indent + _INDENT, lines)
        elif isinstance(value, (list, tuple)) and value:
            _block_list(head, value, indent, lines)
        elif isinstance(value, str) and "\n" in value:
            lines.append(f"{head} {_multiline(value, indent + _INDENT)}")
        else:
            lines.append(f"{head} {scalar(value, flow=False)}")


def _block_list(head: str, items: list[Any] | tuple[Any, ...], indent: str, lines: list[str]) -> None:
    one_line = f"{head} {scalar(items)}"
    if len(one_line) <= _FLOW_WIDTH and not any(isinstance(item, Mapping) for item in items):
        lines.append(one_line)
        return
    lines.append(head)
    for item in items:
        if isinstance(item, Mapping) and item:
            start = len(lines)
            _block_mapping(item, indent + _INDENT, lines)
            lines[start] = f"{indent}- {lines[start][len(indent) + 2 :]}"
        else:
            lines.append(f"{indent}- {scalar(item, flow=False)}")


def _multiline(text: str, indent: str) -> str:
    body, newline = (text[:-1], "|") if text.endswith("\n") else (text, "|-")
    if not _LITERAL.match(body) or body.endswith("\n") or re.search(r"[ \t](\n|\Z)", body):
        return quote(text)
    text.encode()
    return newline + "".join(f"\n{indent}{line}" if line else "\n" for line in body.split("\n"))


# The C loader is missing where PyYAML was built without libyaml; the pure one reads the same, eight times slower.
if TYPE_CHECKING:
    _SafeLoader = yaml.CSafeLoader
else:
    _SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_SafeLoader):
    """The safe loader with the YAML 1.2 core schema's types."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}  # type: ignore[misc]

    def construct_core_int(self, node: yaml.ScalarNode) -> int:
        text = str(self.construct_scalar(node))
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        try:
            return int(text, base)
        except ValueError as error:  # Python's own limit on the digits of an int
            raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from error

    def construct_core_float(self, node: yaml.ScalarNode) -> float:
        text = str(self.construct_scalar(node)).lower()
        return float(text.replace(".inf", "inf").replace(".nan", "nan"))


for _tag, _pattern, _first in (
    ("null", r"(?:~|null|Null|NULL|)\Z", ["~", "n", "N", ""]),
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)\Z", list("tTfF")),
    ("int", r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z", list("-+0123456789")),
    (
        "float",
        r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z",
        list("-+0123456789."),
    ),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_core_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_core_float)


def loads(data: str | bytes, what: str) -> Value:
    """Return what a YAML document holds.

    Args:
        data: the document; bytes are UTF-8.
        what: what is being read, for the message.

    Raises:
        FormatError: it is no YAML, too large, full of aliases, or uses types beyond the core schema.
    """
    if len(data) > MAX_BYTES:
        raise FormatError(f"{what} is larger than {MAX_BYTES} bytes and is not read.")
    try:
        text = data.decode() if isinstance(data, bytes) else data
        if "*" in text and "&" in text:
            _refuse_alias_bomb(text, what)
        return _plain_keys(yaml.load(text, Loader=_Loader))  # noqa: S506 - a subclass of the safe loader
    except UnicodeDecodeError as error:
        raise FormatError(f"{what} is not UTF-8 text: {error}.") from error
    except yaml.YAMLError as error:
        raise FormatError(f"{what} is not valid YAML: {_one_line(error)}.") from error
    except (RecursionError, OverflowError) as error:
        raise FormatError(f"{what} is nested too deeply to be read.") from error


def _refuse_alias_bomb(text: str, what: str) -> None:
    aliases = sum(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=_SafeLoader))
    if aliases > MAX_ALIASES:
        raise FormatError(f"{what} has {aliases} YAML aliases, more than the {MAX_ALIASES} that are read.")


def _plain_keys(value: Any) -> Value:
    """Turn keys that a person left unquoted (``1: x``) into the names that they are; refuse what is no Value."""
    if isinstance(value, dict):
        return {key if isinstance(key, str) else scalar(key): _plain_keys(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain_keys(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise yaml.YAMLError(f"it has a {type(value).__name__}, which is no plain value")


def _one_line(error: yaml.YAMLError) -> str:
    return " ".join(str(error).split()).replace('in "<unicode string>", ', "at ")


def load_mapping(data: str | bytes, what: str) -> dict[str, Value]:
    """Return the mapping that a YAML document holds; an empty document is an empty mapping.

    Raises:
        FormatError: as ``loads``, or the document is no mapping.
    """
    value = loads(data, what)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise FormatError(f"{what} holds a {type(value).__name__} where a mapping is expected.")
    return value


def parse_value(text: str) -> Value:
    """Return the value that a person means by ``text`` on a command line: a YAML scalar, flow list or flow mapping.

    ``100`` is an int, ``1e-3`` a float, ``[1, 2]`` a list, ``true`` a bool, ``null`` None; what is no YAML, or would span
    lines, is the text itself, as is an empty text.
    """
    if not text or "\n" in text:
        return text
    try:
        value = loads(text, "value")
    except FormatError:
        if text[0] in "[{":
            raise InvalidValue(
                f"{text!r} begins like a list or mapping but is not valid YAML. Quote it: \"'{text}'\"."
            ) from None
        return text
    return text if isinstance(value, dict) and not text.startswith("{") else value
