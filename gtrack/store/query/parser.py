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
from functools import cache
from typing import TYPE_CHECKING

from gtrack.errors import QueryError
from gtrack.store.query.conditions import Condition, Names, Operator, Order
from gtrack.store.query.fields import ATTRIBUTES, Kind
from gtrack.store.query.meaning import Meaning, Written
from gtrack.store.query.pointing import error_at

if TYPE_CHECKING:
    import pyparsing as pp

__all__ = ["Condition", "Order", "parse_filter", "parse_order"]

MAX_VALUES = 10_000
"""Values in one filter; SQLite binds 32,766 of them, some of which are names."""

_WORD = r"\w+(?:[-/@:]+\w+)*"
_QUOTED = r'`(?:[^`]|``)*`|"(?:[^"]|"")*"'
_RESERVED = r"(?!(?:and|or|not|in|is|like|ilike|null)\b(?!\.))"
_KEY = rf"{_RESERVED}(?:{_WORD}|{_QUOTED})(?:\.(?:{_WORD}|{_QUOTED}|'(?:[^']|'')*'))*"
_STRING = r"""'(?:[^']|'')*'|"(?:[^"]|"")*\""""
_DIGITS = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)"
_VALUE = (
    rf"(?P<text>{_STRING})|(?P<duration>(?:{_DIGITS}[smhd])+(?!\w))"
    rf"|(?P<number>[+-]?{_DIGITS}(?:e[+-]?[0-9]+)?(?![\w.]))|(?P<flag>(?:true|false)\b)"
)
_OPERATOR = r"[<>=!~]+|i?like\b"
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")  # SQLite ends a text at NUL, and cannot encode a lone surrogate
_FOUND = re.compile(r"\w+|\S")


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
    meaning = Meaning(text, names, strict=strict)
    return _condition(_parsed(text, _grammar()[0]), meaning)


def parse_order(text: str, names: Names | None = None, *, strict: bool = True) -> Order:
    """Read what runs are sorted by: ``metrics.f1 DESC`` or ``-metrics.f1``; the arguments are those of ``parse_filter``.

    Raises:
        QueryError: it cannot be read; the error points at the character.
    """
    sign, key, word = _parsed(text, _grammar()[1])
    if sign and word:
        raise error_at(text, word[1], f"'{sign}' has said the direction already.", "the end")
    meaning = Meaning(text, names, strict=strict)
    return Order(meaning.sortable(key), sign == "-" or (word is not None and word[0].lower() == "desc"))


def _parsed(text: str, grammar: pp.ParserElement) -> list[object]:
    import pyparsing as pp

    bad = _UNWRITABLE.search(text)
    if bad:
        raise error_at(text, bad.start(), "A filter cannot hold this character.")
    try:
        return grammar.parse_string(text, parse_all=True).as_list()
    except pp.ParseBaseException as error:
        raise _syntax_error(text, error.loc, error.msg.removeprefix("Expected ").removeprefix(", ")) from None
    except RecursionError:
        raise error_at(text, 0, "This is nested too deeply.") from None


def _syntax_error(text: str, position: int, expected: str) -> QueryError:
    while position < len(text) and text[position].isspace():
        position += 1
    found = _FOUND.match(text, position)
    quote = position + (text[position : position + 1] == ".")
    if text[quote : quote + 1] in ("'", '"', "`") and text.count(text[quote], quote) % 2:
        return error_at(text, quote, f"This {text[quote]} is never closed.", text[quote])
    what = f"not {found.group()[:30]!r}" if found else "but it ends here"
    return error_at(text, position, f"Expected {expected}, {what}.", expected)


@cache
def _grammar() -> tuple[pp.ParserElement, pp.ParserElement]:
    import pyparsing as pp

    word = pp.CaselessKeyword
    key = _token(_KEY, Written, "a key such as metrics.f1, params.depth or status")
    value = _token(_VALUE, _literal, "a value: a number, a text in quotes, a duration such as 2h, true or false")
    values = pp.Suppress("(").set_name("'('") - value + (pp.Suppress(",") + value)[...] + pp.Opt(pp.Suppress(","))
    values -= pp.Suppress(")").set_name("',' and another value, or ')'")
    one_of = pp.Suppress(word("IN")) - pp.Group(values)
    negated = (word("NOT") | word("NULL")).set_name("NULL or NOT NULL")
    null = pp.Suppress(word("IS")) - negated
    null.add_parse_action(_null)
    null_end = pp.Opt(pp.Suppress(word("NULL")))
    comparison = (
        (null + null_end)
        | one_of.copy().add_parse_action(lambda found: [Operator.IN.value, -1, found[0]])
        | (pp.Suppress(word("NOT")) - one_of.copy().set_name("IN after NOT"))
        | (_token(_OPERATOR, lambda text, at: (text, at), "an operator") - value)
    )
    whole = pp.Forward()
    term = pp.Forward()
    flags = "|".join(name for name, field in ATTRIBUTES.items() if field.kind is Kind.FLAG)
    del comparison, term, flags, whole, key
    raise NotImplementedError
