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
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from gtrack.errors import FormatError, InvalidValue
from gtrack.formats import flat

if TYPE_CHECKING:
    import yaml

    from gtrack.records import Scalar, Value

Plain: TypeAlias = "Value | datetime | Mapping[str, Any] | tuple[Any, ...]"

MAX_BYTES = 16 * 1024 * 1024
"""The largest YAML document that is read."""
MAX_ALIASES = 20
"""gtrack writes none; a document with more is taken for an alias bomb."""
MAX_EXPANDED = 1_000_000
"""Nodes of a document with aliases when each alias is what it stands for: few aliases can stand for a great deal."""
MAX_DEPTH = 100
"""Levels of nesting: libyaml's binding recurses in C without a check, and a document of brackets alone ends the process."""

_INDENT = "  "
_FLOW_WIDTH = 100

# A plain scalar begins with a letter or underscore (so it is no number, date or indicator) and holds no ": " and no " #".
_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@+=()<>~%-]*(?:[ :][A-Za-z0-9_./@+=()<>~%-]+)*\Z", re.ASCII)
_PLAIN_FLOW = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@+=()<>~%-]*(?: [A-Za-z0-9_./@+=()<>~%-]+)*\Z", re.ASCII)
# Hexadecimal ids begin with a digit: plain as soon as a letter other than e, x, o, b rules every number notation out.
_PLAIN_DIGITS = re.compile(r"(?!0[xXoObB])[0-9][0-9A-Za-z]*[ac-df-np-wyzAC-DF-NP-WYZ][0-9A-Za-z]*\Z", re.ASCII)
_WORDS_WITH_TYPE = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"})
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_LITERAL = re.compile(r"(?!\s)[^\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]+\Z")


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
    quote(text)  # refuses what is not Unicode
    return newline + "".join(f"\n{indent}{line}" if line else "\n" for line in body.split("\n"))


def _core_int(text: str) -> int:
    return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


def _core_float(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


def _core_bool(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


_CORE: tuple[tuple[str, re.Pattern[str], str, Callable[[str], Scalar]], ...] = (
    ("null", re.compile(r"(?:~|null|Null|NULL|)\Z"), "~nN", lambda _: None),
    ("bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), "tTfF", _core_bool),
    ("int", re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z"), "-+0123456789", _core_int),
    (
        "float",
        re.compile(
            r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
        ),
        "-+0123456789.",
        _core_float,
    ),
)
"""Of each type of the core schema its name, what plain text is one, with which characters that begins, how it is read."""


@cache
def _loader() -> type[yaml.CSafeLoader]:
    """Return the safe loader with the types of the YAML 1.2 core schema and no others."""
    import yaml  # noqa: PLC0415 - takes as long as all other formats, and ``flat`` reads most files without it

    # The C loader is missing where PyYAML was built without libyaml; the pure one reads the same, eight times slower.
    try:
        from yaml import CSafeLoader as Safe  # noqa: PLC0415
    except ImportError:
        from yaml import SafeLoader as Safe  # type: ignore[assignment]  # noqa: PLC0415
    reads = {f"tag:yaml.org,2002:{kind}": read for kind, _, _, read in _CORE if kind != "null"}

    class Loader(Safe):
        """The safe loader with the types of the YAML 1.2 core schema and no others."""

        yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}  # type: ignore[misc]
        yaml_constructors: ClassVar[dict[str | None, Any]] = {
            tag: yaml.SafeLoader.yaml_constructors[tag]
            for tag in (*(f"tag:yaml.org,2002:{kind}" for kind in ("null", "str", "seq", "map")), None)
        }

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
            """Take keys as they are written: ``1: x`` names ``1``; of a key that comes twice the last one counts."""
            mapping: dict[Hashable, Any] = {}
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    raise yaml.constructor.ConstructorError(None, None, "a key that is no text", key.start_mark)
                mapping[str(key.value)] = self.construct_object(value, deep=deep)
            return mapping

        def construct_core(self, node: yaml.ScalarNode) -> Scalar:
            text = str(self.construct_scalar(node))
            try:
                return reads[node.tag](text)
            except (ValueError, KeyError) as error:  # `!!int x`, or more digits than Python reads
                raise yaml.constructor.ConstructorError(
                    None, None, f"{text[:40]!r} is no {node.tag.rpartition(':')[2]}", node.start_mark
                ) from error

    for kind, pattern, first, _ in _CORE:
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{kind}", pattern, [*first, ""] if kind == "null" else [*first])
    for tag in reads:
        Loader.add_constructor(tag, Loader.construct_core)
    return Loader


# A block collection inside another begins further right, after nothing but spaces and indicators: no deep one without
# such a line, and no deep flow collection without many brackets.
_FAR_RIGHT = re.compile(rf"^[-?: \t]{{{MAX_DEPTH // 2}}}", re.MULTILINE)


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
    import yaml  # noqa: PLC0415 - see ``_loader``

    try:
        text = data.decode() if isinstance(data, bytes) else data
        if ("*" in text and "&" in text) or text.count("[") + text.count("{") > MAX_DEPTH or _FAR_RIGHT.search(text):
            _refuse_bombs(text, what)
        value: Value = yaml.load(text, Loader=_loader())  # noqa: S506 - a subclass of the safe loader
        return value
    except UnicodeError as error:
        raise FormatError(f"{what} is not UTF-8 text: {error}.") from error
    except yaml.YAMLError as error:
        raise FormatError(f"{what} is not valid YAML: {_one_line(error)}.") from error


def _refuse_bombs(text: str, what: str) -> None:
    """Refuse what would take more stack or memory than its size tells."""
    import yaml  # noqa: PLC0415 - see ``_loader``

    aliases = depth = nodes = 0
    sizes: dict[str | None, int] = {}
    open_anchors: list[tuple[str | None, int]] = []
    for event in yaml.parse(text, Loader=_loader()):
        if isinstance(event, yaml.AliasEvent):
            aliases += 1
            nodes += sizes.get(event.anchor, MAX_EXPANDED)  # not known yet: it stands inside what it names
        elif isinstance(event, yaml.NodeEvent):
            nodes += 1
            if isinstance(event, yaml.ScalarEvent):
                sizes[event.anchor] = 1
            else:
                depth += 1
                open_anchors.append((event.anchor, nodes))
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
            anchor, before = open_anchors.pop()
            if anchor is not None:
                sizes[anchor] = nodes - before + 1
        if depth > MAX_DEPTH:
            raise FormatError(f"{what} is nested more than {MAX_DEPTH} levels deep and is not read.")
        if aliases > MAX_ALIASES:
            raise FormatError(f"{what} has more than {MAX_ALIASES} YAML aliases and is not read.")
        if aliases and nodes > MAX_EXPANDED:
            raise FormatError(
                f"{what} has YAML aliases that stand for more than {MAX_EXPANDED} values and is not read."
            )


def _one_line(error: yaml.YAMLError) -> str:
    return " ".join(str(error).split()).replace('in "<unicode string>", ', "at ")


def load_mapping(data: str | bytes, what: str) -> dict[str, Value]:
    """Return the mapping that a YAML document holds; an empty document is an empty mapping.

    Raises:
        FormatError: as ``loads``, or the document is no mapping.
    """
    if isinstance(data, bytes) and len(data) <= MAX_BYTES:
        quick = flat.parse(data)
        if quick is None and b"#" in data:
            quick = flat.parse(flat.without_comments(data))
        if quick is not None:
            return quick
    value = loads(data, what)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise FormatError(f"{what} holds a {type(value).__name__} where a mapping is expected.")
    return value


@dataclass(frozen=True)
class Key:
    """A key of a document, and where it stands.

    Attributes:
        path: the keys that it is below, and itself.
        line: its line, from 1 on.
        column: how many characters stand before it.
        last: the line that its value ends in.
    """

    path: tuple[str, ...]
    line: int
    column: int
    last: int


def outline(data: str | bytes, what: str, depth: int) -> list[Key]:
    """Return the keys of a document in the order in which they stand, one that comes twice also twice.

    Args:
        data: the document; bytes are UTF-8.
        what: what is being read, for the message.
        depth: how many levels of mappings are looked at.

    Raises:
        FormatError: as ``loads``.
    """
    loads(data, what)  # refuses what must not be read
    import yaml  # noqa: PLC0415 - see ``_loader``

    root = yaml.compose(data.decode() if isinstance(data, bytes) else data, Loader=_loader())
    return list(_keys(root, (), depth))


def _keys(node: Any, above: tuple[str, ...], depth: int) -> Iterator[Key]:
    if node is None or node.id != "mapping" or len(above) == depth:
        return
    for key, value in node.value:
        path = (*above, str(key.value))
        start = key.start_mark
        yield Key(path, start.line + 1, start.column, max(start.line + 1, _last_line(value)))
        yield from _keys(value, path, depth)


def _last_line(node: Any) -> int:
    """Return the line that a node ends in, from 1 on; a collection's own mark stands behind the comments that follow it."""
    children = [child for pair in node.value for child in pair] if node.id == "mapping" else node.value
    if node.id != "scalar" and children and not node.flow_style:
        return _last_line(children[-1])
    end = node.end_mark
    return int(end.line if end.column == 0 and end.line > node.start_mark.line else end.line + 1)


def parse_value(text: str) -> Value:
    """Return the value that a person means by ``text`` on a command line: a YAML scalar, flow list or flow mapping.

    ``100`` is an int, ``1e-3`` a float, ``[1, 2]`` a list, ``true`` a bool, ``null`` None, ``'100'`` text. Anything else is
    the text itself, also where a YAML document would hold less than it: ``#1``, ``- x``, ``a: b``, ``!x``, several lines.

    Raises:
        InvalidValue: it begins like a list or mapping and is none.
    """
    bare = text.strip()
    if not bare or "\n" in text:
        return text
    if bare[0] in "[{":
        try:
            return loads(bare, "value")
        except FormatError:
            raise InvalidValue(
                f"{text!r} begins like a list or mapping but is not valid YAML. Quote it: \"'{text}'\"."
            ) from None
    if bare[0] in "\"'":
        try:
            quoted = loads(bare, "value")
        except FormatError:
            return text
        return quoted if isinstance(quoted, str) and bare[-1] == bare[0] else text
    for _, pattern, _, read in _CORE:
        if pattern.match(bare):
            try:
                return read(bare)
            except ValueError:  # more digits than Python reads
                return text
    return text
