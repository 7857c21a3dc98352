"""The constants of a module: names that its top level binds to literals, and what else binds them.

A name that begins with a literal is one of three:

- *settled*, a parameter: every binding of it at the top level is a literal (also under ``if``, ``try`` and
  ``if __name__ == "__main__":``). The value that it ends with is recorded.
- *going on*, a parameter: everything else that binds it makes the new value from the old one (``lr *= 0.5``, ``LR = LR``,
  ``config["lr"] *= 0.5``, also in a function that declares it ``global``) or is a literal outside loops. The value that it
  goes on from is recorded. It must say something to begin with: not 0, empty, ``None``, ``False``, or an infinity in
  disguise (``1e9``). What changes in a loop must be a number, and no whole 1 or -1: that is a counter.
- a *variable*: all others. Bound by a loop, an import, something that is not made from the old value (``best = acc``) or
  may be another value altogether (``max(best, acc)``, ``environ.get("LR", LR)``), or a list or mapping that the module
  goes on filling. It can be given, but it is not recorded otherwise.

Names that begin with an underscore are none.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gtrack.launch.changes import Change, base_name, changes_in_functions, derives, item_change, says_something
from gtrack.launch.literals import NotLiteralError, is_brief, kind_of, literal, plain
from gtrack.launch.spec import ParameterSpec

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_MUTATORS = frozenset(
    "append extend insert remove pop popitem clear sort reverse update setdefault add discard "
    "intersection_update difference_update symmetric_difference_update".split()
)


@dataclass(eq=False)
class Binding:
    """One place at the top level of a module that binds a name.

    Attributes:
        name: what is bound.
        line: where, counted from 1.
        statement: the statement that binds.
        block: the list of statements that it stands in.
        expression: the literal; None when it is anything else.
        shared: whether the statement binds other names to the same expression (``a = b = 1``).
        first: whether no earlier statement on the way here has bound the name.
        sure: whether it runs whenever the module does (no ``if``, ``try``, loop around it).
        loop: whether a loop is around it.
        derived: whether the new value is made from the old one (``lr *= 0.5``).
    """

    name: str
    line: int
    statement: ast.stmt
    block: list[ast.stmt]
    expression: ast.expr | None = None
    shared: bool = False
    first: bool = False
    sure: bool = True
    loop: bool = False
    derived: bool = False


@dataclass
class Constant:
    """A name that begins as a literal.

    Attributes:
        value: the first literal that it is bound to.
        line: where that is.
        bindings: all places at the top level that bind it.
        parameter: whether it is recorded also when it is not given.
        derived: the places, in functions too, that make a new value of it, or of an item of it, from the old one.
    """

    name: str
    value: object
    line: int
    bindings: list[Binding] = field(default_factory=list)
    parameter: bool = True
    derived: list[Change] = field(default_factory=list)

    @property
    def sure(self) -> bool:
        """Whether the module always binds it to its first literal."""
        return self.bindings[0].sure

    def specs(self) -> Iterator[ParameterSpec]:
        """Yield what can be given: the constant itself, and for a mapping each of its keys under a dotted name."""
        yield from specs_of(self.name, self.value, self.line)


def specs_of(name: str, value: object, line: int) -> Iterator[ParameterSpec]:
    """Yield the parameter ``name`` with the value ``value``, and for a mapping one for each key under a dotted name."""
    yield ParameterSpec(name, plain(value), kind_of(value), line)
    if isinstance(value, dict):
        for key, element in value.items():
            yield from specs_of(f"{name}.{key}", element, line)


def find_constants(tree: ast.Module) -> dict[str, Constant]:
    """Return the constants of a module by name, in the order of the source."""
    finder = _Bindings()
    finder.block(tree.body, frozenset(), sure=True, loop=False)
    changes: dict[str, list[Change]] = {}
    for change in (*changes_in_functions(tree), *_mutations(tree.body, frozenset(), top=True)):
        changes.setdefault(change.name, []).append(change)
    constants: dict[str, Constant] = {}
    for name, bindings in finder.found.items():
        first = bindings[0]
        if name.startswith("_") or first.expression is None:
            continue
        value = literal(first.expression)
        others = changes.get(name, [])
        parameter = is_brief(value) and (_is_settled(bindings, others) or _goes_on(value, bindings, others))
        derived = [Change(name, one.line, derived=True) for one in bindings if one.derived]
        derived += [_within(value, change) for change in others if change.derived]
        derived.sort(key=lambda change: change.line)
        constants[name] = Constant(name, value, first.line, bindings, parameter, derived)
    return constants


def _is_settled(bindings: Sequence[Binding], changes: Sequence[Change]) -> bool:
    return not changes and all(one.expression is not None and not one.loop for one in bindings)


def _goes_on(value: object, bindings: Sequence[Binding], changes: Sequence[Change]) -> bool:
    """Whether a name goes on from a first literal that says something; see the text of this module."""
    first, *later = bindings
    if first.loop or not all(change.derived and says_something(_changed_part(value, change)) for change in changes):
        return False
    if not says_something(value):
        return False
    if not all(one.derived or (one.expression is not None and not one.loop) for one in later):
        return False
    again = any(one.loop for one in later) or any(not change.item for change in changes)
    return not again or (type(value) in {int, float} and not (type(value) is int and value in {1, -1}))


def _within(value: object, change: Change) -> Change:
    """Return a change with only those of its keys that lead into nested mappings."""
    path = change.path
    while not at_path(value, path)[0]:
        path = path[:-1]
    return replace(change, path=path)


def _changed_part(value: object, change: Change) -> object:
    return at_path(value, _within(value, change).path)[1]


def at_path(value: object, path: Sequence[str]) -> tuple[bool, object]:
    """Return whether the nested mapping ``value`` has the keys ``path``, and what is there."""
    for step in path:
        keys = [key for key in value if str(key) == step] if isinstance(value, dict) else []
        if not isinstance(value, dict) or not keys:
            return False, None
        value = value[keys[0]]
    return True, value


def owner(constants: Mapping[str, Constant], name: str) -> tuple[Constant, tuple[str, ...]] | None:
    """Return the constant that a given name means, and the keys inside it: ``optimizer.lr`` is ``lr`` of ``optimizer``."""
    head, *path = name.split(".")
    constant = constants.get(head)
    if constant is None or not at_path(constant.value, path)[0]:
        return None
    return constant, tuple(path)


def lines_that_set(tree: ast.Module, name: str) -> list[int]:
    """Return the lines, in functions too, that bind the name ``name`` or an item of it."""
    return sorted({node.lineno for node in ast.walk(tree) if _sets(node, name)})  # type: ignore[attr-defined]  # _sets


def _sets(node: ast.AST, name: str) -> bool:
    if isinstance(node, ast.Name | ast.Subscript) and isinstance(node.ctx, ast.Store):
        return base_name(node) == name
    return False


class _Bindings:
    """Goes through the top level of a module in order and notes what binds which name."""

    def __init__(self) -> None:
        self.found: dict[str, list[Binding]] = {}

    def block(self, body: list[ast.stmt], bound: frozenset[str], *, sure: bool, loop: bool) -> frozenset[str]:
        """Go through ``body``; ``bound`` and the result are the names that are bound before and after it."""
        for statement in body:
            bound = self._statement(statement, body, bound, sure=sure, loop=loop)
        return bound

    def _statement(
        self, node: ast.stmt, body: list[ast.stmt], bound: frozenset[str], *, sure: bool, loop: bool
    ) -> frozenset[str]:
        names: set[str] = set()
        for binding in _bindings_of(node, body):
            binding.first = binding.name not in bound
            binding.sure = sure and not loop
            binding.loop = loop
            self.found.setdefault(binding.name, []).append(binding)
            names.add(binding.name)
        bound |= names
        branches = list(_branches(node))
        if not branches:
            return bound
        around = isinstance(node, ast.For | ast.AsyncFor | ast.While)
        certain = sure and (isinstance(node, ast.With | ast.AsyncWith) or is_main_guard(node))
        after = [self.block(branch, bound, sure=certain, loop=loop or around) for branch in branches]
        return bound.union(*after)


def _branches(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    """Yield the blocks inside a compound statement of which a run takes one (or, in a loop or ``with``, each)."""
    if isinstance(node, _SCOPES):
        return
    for part in ("body", "orelse", "finalbody"):
        block = getattr(node, part, None)
        if block:
            yield block
    for handler in getattr(node, "handlers", []):
        yield handler.body
    for case in getattr(node, "cases", []):
        yield case.body


def is_main_guard(node: ast.stmt) -> bool:
    """Whether a statement is ``if __name__ == "__main__":`` (either way round, without ``else``)."""
    if not isinstance(node, ast.If) or node.orelse or not isinstance(node.test, ast.Compare):
        return False
    sides = [node.test.left, *node.test.comparators]
    name = any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides)
    main = any(isinstance(side, ast.Constant) and side.value == "__main__" for side in sides)
    return name and main and len(sides) == 2 and isinstance(node.test.ops[0], ast.Eq)


def _bindings_of(node: ast.stmt, body: list[ast.stmt]) -> Iterator[Binding]:
    """Yield what the statement itself binds, without the blocks inside it."""
    if isinstance(node, ast.Assign):
        shared = len(node.targets) > 1
        for target in node.targets:
            yield from _assigned(node, body, target, node.value, shared=shared)
    elif isinstance(node, ast.AnnAssign):
        if node.value is not None:
            yield from _assigned(node, body, node.target, node.value, shared=False)
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield Binding(node.name, node.lineno, node, body)
    elif isinstance(node, ast.Import | ast.ImportFrom):
        for alias in node.names:
            yield Binding((alias.asname or alias.name).split(".")[0], node.lineno, node, body)
    else:
        derived = isinstance(node, ast.AugAssign)
        for name in _stored(node):
            yield Binding(name, node.lineno, node, body, derived=derived)
        return
    for name in _walrus(node):
        yield Binding(name, node.lineno, node, body)


def _assigned(
    node: ast.stmt, body: list[ast.stmt], target: ast.expr, value: ast.expr, *, shared: bool
) -> Iterator[Binding]:
    if isinstance(target, ast.Name):
        expression: ast.expr | None = value
        try:
            literal(value)
        except (NotLiteralError, RecursionError):
            expression = None
        yield Binding(target.id, node.lineno, node, body, expression, shared=shared, derived=derives(value, target.id))
    elif isinstance(target, ast.Tuple | ast.List) and _unpacks(target, value):
        for part, element in zip(target.elts, value.elts, strict=True):  # type: ignore[attr-defined]  # _unpacks saw it
            yield from _assigned(node, body, part, element, shared=shared)
    else:
        for name in _stored(target):
            yield Binding(name, node.lineno, node, body)


def _unpacks(target: ast.Tuple | ast.List, value: ast.expr) -> bool:
    """Whether ``a, b = 1, 2`` gives each name an expression of its own."""
    return (
        isinstance(value, ast.Tuple | ast.List)
        and len(value.elts) == len(target.elts)
        and not any(isinstance(part, ast.Starred) for part in (*target.elts, *value.elts))
    )


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the node and all inside it, without nested statements and without functions and classes."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.stmt, ast.ExceptHandler, ast.match_case, *_SCOPES)):
            yield from _own_nodes(child)
        elif isinstance(child, ast.ExceptHandler) and child.name:
            yield ast.Name(id=child.name, ctx=ast.Store())
        elif isinstance(child, ast.match_case):
            yield from _own_nodes(child.pattern)


def _stored(node: ast.AST) -> Iterator[str]:
    for part in _own_nodes(node):
        if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load):
            yield part.id
        elif isinstance(part, ast.MatchAs | ast.MatchStar) and part.name:
            yield part.name
        elif isinstance(part, ast.MatchMapping) and part.rest:
            yield part.rest


def _walrus(node: ast.AST) -> Iterator[str]:
    for part in _own_nodes(node):
        if isinstance(part, ast.NamedExpr):
            yield part.target.id


def _mutations(nodes: Sequence[ast.AST], local: frozenset[str], *, top: bool) -> Iterator[Change]:
    """Yield where any code of the module changes a list or mapping of its top level in place."""
    for node in nodes:
        if isinstance(node, _SCOPES):
            inner = local if isinstance(node, ast.ClassDef) else local | _locals(node)
            yield from _mutations(list(ast.iter_child_nodes(node)), inner, top=False)
            continue
        if top and _is_setting(node):
            continue
        change = item_change(node) or _changed_in_place(node)
        if change is not None and change.name not in local:
            yield change
        inside = list(ast.iter_child_nodes(node)) if change is None or not change.derived else [node.value]  # type: ignore[attr-defined]  # item_change saw an assignment
        nested = top and not isinstance(node, ast.For | ast.AsyncFor | ast.While)
        yield from _mutations(inside, local, top=nested)


def _locals(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> set[str]:
    arguments = function.args
    names = {a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    names |= {a.arg for a in (arguments.vararg, arguments.kwarg) if a is not None}
    declared: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Global):
            declared.update(node.names)
    return names - declared


def _changed_in_place(node: ast.AST) -> Change | None:
    name = None
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _MUTATORS:
        name = base_name(node.func.value)
    elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
        name = base_name(node)
    return Change(name, node.lineno, item=True) if name is not None else None  # type: ignore[attr-defined]  # both have


def _is_setting(node: ast.AST) -> bool:
    """Whether a statement is like ``config["lr"] = 0.5``: another way to write a constant down."""
    if not isinstance(node, ast.Assign):
        return False
    try:
        literal(node.value)
    except (NotLiteralError, RecursionError):
        return False
    return all(isinstance(part, ast.Subscript) and isinstance(part.slice, ast.Constant) for part in node.targets)
