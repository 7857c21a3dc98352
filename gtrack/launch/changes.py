"""Whether code that changes what a name stands for makes the new value from the old one, or takes another."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gtrack.launch.literals import NotLiteralError, literal

_ENDLESS = 1e9
"""From here on a number is taken for what stands in for infinity until something better is found."""

_PICK_ONE = frozenset({"min", "max"})
_FALL_BACK = frozenset({"get", "getattr", "getenv", "pop", "setdefault"})


@dataclass(frozen=True)
class Change:
    """One place that changes a name of a module's top level, or something in it.

    Attributes:
        name: the name.
        line: where, counted from 1.
        derived: whether the new value is made from the old one.
        item: whether only something in it is changed, and the name is not bound anew.
        path: the keys of the item, as far as the source shows them.
    """

    name: str
    line: int
    derived: bool = False
    item: bool = False
    path: tuple[str, ...] = ()


def says_something(value: object) -> bool:
    """Whether a first value is more than a place for later ones: neither empty nor zero nor an infinity in disguise."""
    if isinstance(value, dict):
        return any(says_something(element) for element in value.values())
    if isinstance(value, bool | int | float):
        return value != 0 and abs(value) < _ENDLESS  # also false for nan
    return bool(value)


def derives(value: ast.expr, name: str) -> bool:
    """Whether an expression makes something from the value of ``name``, and does not merely fall back on it."""
    if not any(_is(node, name) for node in ast.walk(value)):
        return False
    return not any(_may_be_another(node, name) for node in ast.walk(value))


def _is(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _may_be_another(node: ast.AST, name: str) -> bool:
    """Whether the value of ``name`` is one of several that an expression chooses from: ``max(best, acc)``."""
    among: Sequence[ast.expr] = ()
    certain = False
    if isinstance(node, ast.IfExp):
        among = (node.body, node.orelse)
    elif isinstance(node, ast.BoolOp):
        among = node.values
    elif isinstance(node, ast.Call):
        function = node.func
        called = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
        certain = called in _FALL_BACK
        among = node.args if certain or called in _PICK_ONE else ()
    if not any(_is(one, name) for one in among):
        return False
    return certain or not all(_is(one, name) or _is_literal(one) for one in among)


def _is_literal(node: ast.expr) -> bool:
    try:
        literal(node)
    except (NotLiteralError, RecursionError):
        return False
    return True


def changes_in_functions(tree: ast.Module) -> Iterator[Change]:
    """Yield where functions bind names that they declare ``global``."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            inside = list(ast.walk(function))
            declared = {name for node in inside if isinstance(node, ast.Global) for name in node.names}
            if declared:
                yield from _bound(inside, declared)


def _bound(nodes: Sequence[ast.AST], declared: set[str]) -> Iterator[Change]:
    known: set[int] = set()
    for node in nodes:
        target, derived = None, False
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            target, derived = node.target, True
        elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            target = node.targets[0]
            derived = derives(node.value, target.id)
        if target is not None and target.id in declared:
            known.add(id(target))
            yield Change(target.id, target.lineno, derived=derived)
    for node in nodes:
        if isinstance(node, ast.Name) and node.id in declared - _loaded(node) and id(node) not in known:
            yield Change(node.id, node.lineno)


def _loaded(node: ast.Name) -> set[str]:
    return {node.id} if isinstance(node.ctx, ast.Load) else set()


def item_change(node: ast.AST) -> Change | None:
    """Return the change that a statement like ``config["lr"] *= 0.5`` makes, from the old value; None for any other."""
    target: ast.expr | None = None
    if isinstance(node, ast.AugAssign):
        target = node.target
    elif isinstance(node, ast.Assign) and len(node.targets) == 1:
        written = ast.dump(node.targets[0]).replace("Store()", "Load()")
        target = node.targets[0] if any(ast.dump(part) == written for part in ast.walk(node.value)) else None
    name = base_name(target) if isinstance(target, ast.Subscript) else None
    if target is None or name is None:
        return None
    return Change(name, target.lineno, derived=True, item=True, path=_path(target))


def _path(node: ast.expr) -> tuple[str, ...]:
    steps: list[ast.expr] = []
    while isinstance(node, ast.Subscript):
        steps.insert(0, node.slice)
        node = node.value
    path: list[str] = []
    for step in steps:
        if not isinstance(step, ast.Constant):
            break
        path.append(str(step.value))
    return tuple(path)


def base_name(node: ast.expr) -> str | None:
    """Return the name that items of items are taken of: ``a`` of ``a["b"][0]``."""
    while isinstance(node, ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None
