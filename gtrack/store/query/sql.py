"""From conditions to SQL over the row ``r`` of ``runs``. Every value and every name from outside is a parameter.

SQL knows three truth values and a filter two: something that is missing fulfils no comparison, and ``not`` turns that around.
So a condition may come out as NULL, which counts as false, and only NOT has to look: it is written ``(…) IS NOT TRUE``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import NamedTuple

from gtrack.store.query import moments
from gtrack.store.query.conditions import And, Condition, Constant, Not, Operator, Order, Target, Test
from gtrack.store.query.fields import SOURCES, Field, Kind, Place, Source
from gtrack.store.query.moments import Moment, Period


class Sql(NamedTuple):
    """A piece of SQL and the values of its question marks."""

    text: str
    parameters: tuple[object, ...] = ()


_SPECIAL = re.compile(r"[*?\[]")
_UPPER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_TIES = "r.started DESC, r.id"


def compile_where(condition: Condition | None, now: datetime, dense: AbstractSet[Test] = frozenset()) -> Sql:
    """Return the expression that is true for the runs that fulfil a condition.

    Args:
        condition: None for all runs.
        now: what relative dates are counted from; its time zone is that of dates that name none.
        dense: comparisons that many runs fulfil: they are written so that SQLite looks at one run after the other, and not
            so that it makes the set of these runs first. The meaning is the same.
    """
    if condition is None:
        return Sql("1")
    if isinstance(condition, Test):
        return _test(condition, now, is_dense=condition in dense)
    if isinstance(condition, Not):
        inner = compile_where(condition.part, now, dense)
        return Sql(f"(({inner.text}) IS NOT TRUE)", inner.parameters)
    word = "AND" if isinstance(condition, And) else "OR"
    return _join([compile_where(part, now, dense) for part in condition.parts], word)


def compile_order(order: Order | Sequence[Order] = ()) -> Sql:
    """Return the list for ORDER BY: what is missing comes last, and ties go by start, the newest first, then by id."""
    orders = [order] if isinstance(order, Order) else order
    terms = [term for one in orders for term in _terms(one)]
    return Sql(", ".join([*(term.text for term in terms), _TIES]), _all_parameters(terms))


def _all_parameters(parts: Iterable[Sql]) -> tuple[object, ...]:
    return tuple(value for part in parts for value in part.parameters)


def _join(parts: Sequence[Sql], word: str) -> Sql:
    """Join as a balanced tree: SQLite refuses expressions more than a thousand levels deep."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    left, right = _join(parts[:middle], word), _join(parts[middle:], word)
    return Sql(f"({left.text} {word} {right.text})", left.parameters + right.parameters)


# Comparisons


def _test(test: Test, now: datetime, *, is_dense: bool) -> Sql:
    target, source = test.target, SOURCES.get(test.target.place)
    if test.operator in (Operator.IS_NULL, Operator.IS_NOT_NULL):
        return _presence(target, source, missing=test.operator is Operator.IS_NULL, is_dense=is_dense)
    compared = _compare(target, test.operator, test.values, now)
    return _among(target, source, compared, is_dense=is_dense) if source else compared


def _among(target: Target, source: Source, compared: Sql, *, is_dense: bool) -> Sql:
    if is_dense:
        found = _rows(target, source, "1", f"{source.link} = {source.own} AND ({compared.text})")
        return Sql(f"EXISTS {found.text}", found.parameters + compared.parameters)
    found = _rows(target, source, source.link, compared.text)
    return Sql(f"{source.own} IN {found.text}", found.parameters + compared.parameters)


def _rows(target: Target, source: Source, columns: str, condition: str) -> Sql:
    where = " AND ".join(part for part in (source.condition, condition) if part)
    return Sql(f"(SELECT {columns} FROM {source.table} AS x WHERE {where})", (target.key,) if source.condition else ())


def _presence(target: Target, source: Source | None, *, missing: bool, is_dense: bool) -> Sql:
    column = target.field.sql
    if source is None:
        return Sql(f"{column} IS {'' if missing else 'NOT '}NULL")
    there = _among(target, source, Sql("TRUE" if source.nan else f"{column} IS NOT NULL"), is_dense=is_dense)
    return Sql(f"({there.text}) IS NOT TRUE", there.parameters) if missing else there


def _compare(target: Target, operator: Operator, values: Sequence[Constant], now: datetime) -> Sql:
    field = target.field
    if operator in (Operator.IN, Operator.NOT_IN):
        return _one_of(target, values, now, negated=operator is Operator.NOT_IN)
    value = values[0]
    if operator in (Operator.LIKE, Operator.ILIKE):
        ignored = operator is Operator.ILIKE
        return _like(field.sql, str(value), ignored=ignored)
    if field.kind in (Kind.MOMENT, Kind.MILLISECONDS):
        return _time(field.sql, operator, _period(value, now))
    if field.kind is Kind.HEX:
        negation = "NOT " if operator is Operator.NE else ""
        return Sql(f"{field.sql} {negation}GLOB ?", (f"{value}*",))
    source = SOURCES.get(target.place)
    # nan is different from every number, and a text is too.
    sign = "IS NOT" if operator is Operator.NE and source is not None and source.nan else operator.value
    return Sql(f"{_column(field, value)} {sign} ?", (_bound(field, value),))


def _one_of(target: Target, values: Sequence[Constant], now: datetime, *, negated: bool) -> Sql:
    if target.field.kind is Kind.HEX:
        either = _join([_compare(target, Operator.EQ, [value], now) for value in values], "OR")
    else:
        columns: dict[str, list[object]] = {}
        for value in values:
            columns.setdefault(_column(target.field, value), []).append(_bound(target.field, value))
        lists = [Sql(f"{column} IN ({', '.join('?' * len(found))})", tuple(found)) for column, found in columns.items()]
        either = _join(lists, "OR")
    if not negated:
        return either
    source = SOURCES.get(target.place)
    if source is not None and source.nan:
        return Sql(f"(({either.text}) IS NOT TRUE)", either.parameters)
    return Sql(f"(NOT ({either.text}))", either.parameters)


def _column(field: Field, value: Constant) -> str:
    """Return the column that a value is compared with: a parameter's number or its text."""
    return "x.num" if field.kind is Kind.VALUE and isinstance(value, float) else field.sql


def _bound(field: Field, value: Constant) -> object:
    if isinstance(value, bool):
        return str(value) if field.kind is Kind.VALUE else int(value)
    return value


def _like(column: str, pattern: str, *, ignored: bool) -> Sql:
    """Compare by GLOB, which minds case whatever a connection is set to; LIKE would not."""
    if ignored:
        column, pattern = f"lower({column})", pattern.translate(_UPPER)
    glob = _SPECIAL.sub(lambda found: f"[{found.group()}]", pattern).replace("%", "*").replace("_", "?")
    return Sql(f"{column} GLOB ?", (glob,))


def _period(value: Constant, now: datetime) -> Period:
    if isinstance(value, Moment):
        found = moments.period(value.text, now)
        if found is None:
            raise ValueError(f"{value.text!r} was never checked to be a date.")
        return found
    return moments.of_milliseconds(float(value))


def _time(column: str, operator: Operator, period: Period) -> Sql:
    start, end = period.start, period.end
    if operator in (Operator.LT, Operator.GE):
        return Sql(f"{column} {operator.value} ?", (start,))
    if end is None:
        return Sql(f"{column} {operator.value} ?", (start,))
    if operator in (Operator.GT, Operator.LE):
        return Sql(f"{column} {'>=' if operator is Operator.GT else '<'} ?", (end,))
    if operator is Operator.EQ:
        return Sql(f"({column} >= ? AND {column} < ?)", (start, end))
    return Sql(f"({column} < ? OR {column} >= ?)", (start, end))


# Orders


class Driven(NamedTuple):
    """An order by what hangs on runs, as a walk along the rows ``x`` that hang on them.

    Attributes:
        table: where the rows are.
        condition: picks those with a value that can be sorted by; its parameter is the key.
        terms: what they are sorted by.
    """

    table: str
    condition: Sql
    terms: str


def compile_driven(order: Order) -> Driven:
    """Return how to walk along the values that runs are sorted by.

    Args:
        order: by what; its place is one of ``fields.NAMED``.
    """
    target, source = order.target, SOURCES[order.target.place]
    direction = " DESC" if order.descending else ""
    if target.place is Place.PARAM:
        terms, there = f"x.num IS NULL, x.num{direction}, x.text{direction}", "TRUE"
    else:
        terms, there = f"{target.field.sql}{direction}", f"{target.field.sql} IS NOT NULL"
    return Driven(source.table, Sql(f"{source.condition} AND {there}", (target.key,)), terms)


def _terms(order: Order) -> list[Sql]:
    target, source = order.target, SOURCES.get(order.target.place)
    direction = " DESC" if order.descending else ""
    column = target.field.sql
    if source is None:
        return [Sql(f"{column} IS NULL"), Sql(f"{column}{direction}")]
    if target.place is Place.PARAM:  # numbers, then texts, then what is missing
        kept = [_value_of(target, source, expression) for expression in ("x.num IS NULL", "x.num", "x.text")]
    else:  # numbers, then nan, then what is missing
        kept = [_value_of(target, source, expression) for expression in (f"{column} IS NULL", column)]
    rank, *values = kept
    return [
        Sql(f"coalesce({rank.text}, 2)", rank.parameters),
        *(Sql(f"{value.text}{direction}", value.parameters) for value in values),
    ]


def _value_of(target: Target, source: Source, expression: str) -> Sql:
    return _rows(target, source, expression, f"{source.link} = {source.own}")
