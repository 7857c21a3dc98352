"""From the text of a filter, or of an order, to conditions.

The grammar is MLflow's with ``or``, ``not`` and parentheses::

    filter     = and-terms joined by OR
    and-term   = terms joined by AND
    term       = NOT term | "(" filter ")" | flag | key comparison
    comparison = ("=" | "!=" | "<" | "<=" | ">" | ">=" | LIKE | ILIKE) value
               | [NOT] IN "(" value {"," value} [","] ")" | IS [NOT] NULL
    key        = part {"." part}        part = word | `text` | "text" | 'text' (not the first)
    order      = [+|-] key [ASC|DESC]

It stands in this module as a table of pyparsing, which is kept, comes with matplotlib anyway, and takes 40 ms to import, paid
only by who filters. Its error stop (the operator ``-``) gives the very character where a reader gives up, which is why lark,
whose errors were the alternative, is not needed. What names and values mean is decided afterwards, in ``meaning.py``, with the
place of each still known.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeAlias, cast

from gtrack.errors import QueryError
from gtrack.store.query.conditions import And, Condition, Names, Not, Or, Order
from gtrack.store.query.fields import ATTRIBUTES, PREFIXES, Kind, Place
from gtrack.store.query.meaning import Comparison, Literal, Meaning, Word
from gtrack.store.query.pointing import error_at

if TYPE_CHECKING:
    import pyparsing as pp

__all__ = ["Condition", "Order", "parse_filter", "parse_order"]

_WORD = r"\w+(?:[-/@:]+\w+)*"
_QUOTED = r'`(?:[^`]|``)*`|"(?:[^"]|"")*"'
_RESERVED = r"(?!(?:and|or|not|in|is|like|ilike|null)\b(?!\.))"
_KEY = rf"{_RESERVED}(?:{_WORD}|{_QUOTED})(?:\.(?:{_WORD}|{_QUOTED}|'(?:[^']|'')*'))*"
_STRING = r"""'(?:[^']|'')*'|"(?:[^"]|"")*\""""
_DIGITS = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_VALUE = (
    rf"(?P<text>{_STRING})|(?P<duration>(?:{_DIGITS}[smhd])+(?!\w))"
    rf"|(?P<number>[+-]?{_DIGITS}(?:e[+-]?[0-9]+)?(?![\w.]))|(?P<flag>(?:true|false)\b)"
)
_FLAG = (
    rf"(?:(?:{'|'.join(prefix for prefix, place in PREFIXES.items() if place is Place.ATTRIBUTE)})\.)?"
    rf"(?:{'|'.join(name for name, field in ATTRIBUTES.items() if field.kind is Kind.FLAG)})"
    r"(?=\s*(?:\)|\Z|(?:and|or)\b))"
)
_TRUE = Literal("flag", "true", -1)
_OPERATOR = r"[<>=!~]+|i?like\b"
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")  # SQLite ends a text at NUL, and cannot encode a lone surrogate
_FOUND = re.compile(r"\w+|\S")


@dataclass(frozen=True)
class _Group:
    """Conditions as they were read, under the word that joins them."""

    word: str
    parts: tuple[_Read, ...]


_Read: TypeAlias = "Comparison | _Group"


def parse_filter(text: str, names: Names | None = None, *, strict: bool = True) -> Condition | None:
    """Read a filter.

    Args:
        text: such as ``metrics.f1 > 0.9 and params.depth = '5'``.
        names: all names of a kind, to offer the nearest one for a misspelt one, and to know a metric that is really called
            ``loss.min``; when None, no name is checked.
        strict: whether a key that no run has is an error; else it matches nothing, as in MLflow.

    Returns:
        The condition, or None for an empty filter.

    Raises:
        QueryError: it cannot be read; the error points at the character.
    """
    if not text.strip():
        return None
    read = _read(text, _filter_grammar())[0]
    return _condition(cast("_Read", read), Meaning(text, names, strict=strict))


def parse_order(text: str, names: Names | None = None, *, strict: bool = True) -> Order:
    """Read what runs are sorted by: ``metrics.f1 DESC`` or ``-metrics.f1``; the arguments are those of ``parse_filter``.

    Raises:
        QueryError: it cannot be read; the error points at the character.
    """
    words = cast("list[Word]", _read(text, _order_grammar()))
    sign = words.pop(0).text if words[0].text in ("+", "-") else ""
    key, *direction = words
    if sign and direction:
        raise error_at(text, direction[0].at, f"The {sign!r} has said the direction already.", "the end")
    descending = sign == "-" or any(word.text.lower() == "desc" for word in direction)
    return Order(Meaning(text, names, strict=strict).sortable(key), descending)


def _condition(read: _Read, meaning: Meaning) -> Condition:
    if isinstance(read, Comparison):
        return meaning.test(read)
    parts = tuple(_condition(part, meaning) for part in read.parts)
    if read.word == "not":
        return Not(parts[0])
    return And(parts) if read.word == "and" else Or(parts)


def _read(text: str, grammar: pp.ParserElement) -> list[object]:
    import pyparsing as pp

    bad = _UNWRITABLE.search(text)
    if bad:
        raise error_at(text, bad.start(), "Neither a filter nor an order can hold this character.")
    try:
        return list(grammar.parse_string(text))
    except pp.ParseBaseException as error:
        raise _syntax_error(text, error.loc, error.msg.removeprefix("Expected ")) from None
    except RecursionError:
        raise error_at(text, 0, "This is nested too deeply.") from None


def _syntax_error(text: str, position: int, expected: str) -> QueryError:
    while position < len(text) and text[position].isspace():
        position += 1
    quote = position + (text[position : position + 1] == ".")
    if text[quote : quote + 1] in ("'", '"', "`") and text.count(text[quote], quote) % 2:
        return error_at(text, quote, f"This {text[quote]} is never closed.", text[quote])
    found = _FOUND.match(text, position)
    what = f"not {found.group()[:30]!r}" if found else "but this is the end"
    return error_at(text, position, f"Expected {expected}, {what}.", expected)


# The grammar


@cache
def _filter_grammar() -> pp.ParserElement:
    import pyparsing as pp

    condition = pp.Forward()
    either = pp.Forward()
    inside = pp.Suppress("(") - either - _mark(")", "'and', 'or' or ')'")
    negated = pp.Suppress(pp.CaselessKeyword("NOT")) - condition
    negated.add_parse_action(lambda found: _Group("not", tuple(found)))
    flag = _token(_FLAG, Word).add_parse_action(lambda found: Comparison(found[0], Word("=", found[0].at), (_TRUE,)))
    compared = _token(_KEY, Word) - _comparison()
    compared.add_parse_action(lambda found: _compared(list(found)))
    condition <<= (inside | negated | flag | compared).set_name("a condition such as metrics.f1 > 0.9")
    both = _joined(condition, "and")
    either <<= _joined(both, "or")
    return (either - pp.StringEnd().set_name("'and', 'or' or the end")).parse_with_tabs()


@cache
def _order_grammar() -> pp.ParserElement:
    import pyparsing as pp

    key = _token(_KEY, Word).set_name("a key such as metrics.f1, params.depth or start_time")
    direction = _token(r"(?:asc|desc)\b", Word)
    end = pp.StringEnd().set_name("ASC, DESC or the end")
    return (pp.Opt(_token(r"[+-]", Word)) + key - pp.Opt(direction) - end).parse_with_tabs()


def _comparison() -> pp.ParserElement:
    import pyparsing as pp

    value = _token(_VALUE, _literal).set_name("a number, a text in quotes, a duration such as 2h, true or false")
    is_not, null = _token(r"not\b", Word), _token(r"null\b", Word)
    is_in = _token(r"in\b", Word)
    more = (pp.Suppress(",") + value)[...] + pp.Opt(pp.Suppress(","))
    values = _mark("(", "a list such as ('a', 'b')") - value + more - _mark(")", "',' and another value, or ')'")
    compared: pp.ParserElement = (
        (_token(_OPERATOR, Word) - value)
        | (is_in - values)
        | (is_not - is_in.copy().set_name("IN") - values)
        | (_token(r"is\b", Word) - ((is_not + null) | null).set_name("NULL or NOT NULL"))
    )
    return compared.set_name("one of = != < <= > >= LIKE, ILIKE, IN, NOT IN, IS NULL, IS NOT NULL")


def _token(pattern: str, made: Callable[[str, int], object]) -> pp.ParserElement:
    import pyparsing as pp

    return pp.Regex(pattern, re.IGNORECASE).add_parse_action(lambda _, at, found: made(found[0], at))


def _mark(character: str, expected: str) -> pp.ParserElement:
    import pyparsing as pp

    return pp.Suppress(pp.Literal(character).set_name(expected)).set_name(expected)


def _joined(part: pp.ParserElement, word: str) -> pp.ParserElement:
    import pyparsing as pp

    many: pp.ParserElement = part + (pp.Suppress(pp.CaselessKeyword(word)) - part)[...]
    return many.add_parse_action(lambda found: found[0] if len(found) == 1 else _Group(word, tuple(found)))


def _literal(text: str, at: int) -> Literal:
    found = re.fullmatch(_VALUE, text, re.IGNORECASE)
    return Literal(str(found.lastgroup) if found else "text", text, at)


def _compared(found: list[Word | Literal]) -> Comparison:
    key, *words = [part for part in found if isinstance(part, Word)]
    operator = Word(" ".join(word.text for word in words).upper(), words[0].at)
    return Comparison(key, operator, tuple(part for part in found if isinstance(part, Literal)))
