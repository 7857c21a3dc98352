"""The constants of a module: names that its top level binds to literals, and what else binds them.

A name is a *parameter* when every binding of it at the top level is a literal (also under ``if``, ``try`` and
``if __name__ == "__main__":``). A name that anything else binds too (a loop, an import, a sum, a function that declares it
``global``), or a list or mapping that the module goes on filling, is a *variable*: it can be given when its first binding is
a literal, but it is not recorded otherwise. Names that begin with an underscore are neither.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

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
    derived: bool = False


@dataclass
class Constant:
    """A name that begins as a literal.

    Attributes:
        value: the first literal that it is bound to.
        line: where that is.
        bindings: all places at the top level that bind it.
        parameter: whether it is recorded also when it is not given.
    """

    name: str
    value: object
    line: int
    bindings: list[Binding] = field(default_factory=list)
    parameter: bool = True

    @property
    def sure(self) -> bool:
        """Whether the module always binds it to its first literal."""
        return self.bindings[0].sure

    def specs(self) -> Iterator[ParameterSpec]:
        """Yield what can be given: the constant itself, and for a mapping each of its keys under a dotted name."""
        yield from _specs(self.name, self.value, self.line)


def _specs(name: str, value: object, line: int) -> Iterator[ParameterSpec]:
    yield ParameterSpec(name, plain(value), kind_of(value), line)
    if isinstance(value, dict):
        for key, element in value.items():
            yield from _specs(f"{name}.{key}", element, line)


def find_constants(tree: ast.Module) -> dict[str, Constant]:
    """Return the constants of a module by name, in the order of the source."""
    finder = _Bindings()
    finder.block(tree.body, frozenset(), sure=True, loop=False)
    unsteady = _declared_global(tree) | _mutated(tree)
    constants: dict[str, Constant] = {}
    for name, bindings in finder.found.items():
        first = bindings[0]
        if name.startswith("_") or first.expression is None:
            continue
        value = literal(first.expression)
        steady = name not in unsteady and name not in finder.looped and all(b.expression is not None for b in bindings)
        constants[name] = Constant(name, value, first.line, bindings, parameter=steady and is_brief(value))
    return constants


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
        return _base(node) == name
    return False


class _Bindings:
    """Goes through the top level of a module in order and notes what binds which name."""

    def __init__(self) -> None:
        self.found: dict[str, list[Binding]] = {}
        self.looped: set[str] = set()

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
            self.found.setdefault(binding.name, []).append(binding)
            names.add(binding.name)
            if loop:
                self.looped.add(binding.name)
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
        derived = any(isinstance(part, ast.Name) and part.id == target.id for part in ast.walk(value))
        yield Binding(target.id, node.lineno, node, body, expression, shared=shared, derived=derived)
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


def _declared_global(tree: ast.Module) -> set[str]:
    return {name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names}


def _mutated(tree: ast.Module) -> set[str]:
    """Return the top-level names whose list or mapping is changed in place, by any code of the module."""
    return set(_mutations(tree.body, frozenset(), top=True))


def _mutations(nodes: Sequence[ast.AST], local: frozenset[str], *, top: bool) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, _SCOPES):
            inner = local if isinstance(node, ast.ClassDef) else local | _locals(node)
            yield from _mutations(list(ast.iter_child_nodes(node)), inner, top=False)
            continue
        if top and _is_setting(node):
            continue
        name = _changed_in_place(node)
        if name is not None and name not in local:
            yield name
        nested = top and not isinstance(node, ast.For | ast.AsyncFor | ast.While)
        yield from _mutations(list(ast.iter_child_nodes(node)), local, top=nested)


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


def _changed_in_place(node: ast.AST) -> str | None:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _MUTATORS:
        return _base(node.func.value)
    if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
        return _base(node)
    return None


def _is_setting(node: ast.AST) -> bool:
    """Whether a statement is like ``config["lr"] = 0.5``: another way to write a constant down."""
    if not isinstance(node, ast.Assign):
        return False
    try:
        literal(node.value)
    except (NotLiteralError, RecursionError):
        return False
    return all(isinstance(part, ast.Subscript) and isinstance(part.slice, ast.Constant) for part in node.targets)


def _base(node: ast.expr) -> str | None:
    while isinstance(node, ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None
