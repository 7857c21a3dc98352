"""Puts given values into the syntax tree of a module, and has the module tell when it binds a name anew.

Only expressions are exchanged and calls are added; every new node stands on the line of an old one, so a traceback shows the
source as its author wrote it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from typing import TypeVar

from gtrack.launch.constants import Binding, Constant, at_path, owner
from gtrack.launch.literals import literal, node_of, restore
from gtrack.records import Value

Node = TypeVar("Node", bound=ast.AST)

REPORT = "__gtrack_bound__"
"""The builtin that a watched module calls with the name and the line of a binding, just after it."""


def put_values(constants: Mapping[str, Constant], given: Mapping[str, Value]) -> None:
    """Exchange the first literal of each given constant for the given value, in the tree that ``constants`` came from.

    Where the first binding depends on a condition (``if`` and ``else``), it is exchanged in each branch. Names that are no
    constants are left alone.
    """
    for name in sorted(given, key=lambda name: name.count(".")):
        target = owner(constants, name)
        if target is None:
            continue
        constant, path = target
        like = at_path(constant.value, path)[1]
        for binding in constant.bindings:
            if binding.first and binding.expression is not None:
                _put(binding, path, restore(like, given[name]))


def _put(binding: Binding, path: tuple[str, ...], value: object) -> None:
    old = binding.expression
    for step in path:
        old = _item(old, step)
    if old is None:
        return
    new = _placed(node_of(value), old)
    if not binding.shared or path:
        _exchange(binding.statement, old, new)
    else:
        target = ast.Name(id=binding.name, ctx=ast.Store())
        _insert_after(binding, _placed(ast.Assign(targets=[target], value=new), binding.statement))
    if not path:
        binding.expression = new


def _item(node: ast.expr | None, step: str) -> ast.expr | None:
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if key is not None and str(literal(key)) == step:
                return value
    return None


def _exchange(root: ast.AST, old: ast.AST, new: ast.expr) -> None:
    for parent in ast.walk(root):
        for field, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, field, new)
                return
            if isinstance(value, list):
                for index, element in enumerate(value):
                    if element is old:
                        value[index] = new
                        return


def watch(constants: Iterable[Constant]) -> None:
    """Have the module call ``REPORT(name, line)`` after each binding that it need not come to, or that is not the first.

    A new value that is made from the old one (``lr *= 0.5``) is not reported: what was given is what the script went by.
    """
    for constant in constants:
        for binding in constant.bindings:
            known = binding.first and binding.sure and binding.expression is not None
            if not known and not binding.derived:
                _report(binding)


def _report(binding: Binding) -> None:
    arguments: list[ast.expr] = [ast.Constant(value=binding.name), ast.Constant(value=binding.line)]
    call = ast.Expr(value=ast.Call(func=ast.Name(id=REPORT, ctx=ast.Load()), args=arguments, keywords=[]))
    statement = binding.statement
    placed = _placed(call, statement)
    if isinstance(statement, ast.For | ast.AsyncFor | ast.With | ast.AsyncWith):
        statement.body.insert(0, placed)
    else:
        _insert_after(binding, placed)


def _insert_after(binding: Binding, new: ast.stmt) -> None:
    index = next(i for i, statement in enumerate(binding.block) if statement is binding.statement)
    # Behind what was inserted before it, so that a report comes after the value that was put in.
    while (
        index + 1 < len(binding.block) and getattr(binding.block[index + 1], "inserted_for", None) is binding.statement
    ):
        index += 1
    new.inserted_for = binding.statement  # type: ignore[attr-defined]  # a mark of ours on a node of ours
    binding.block.insert(index + 1, new)


def _placed(node: Node, at: ast.AST) -> Node:
    for part in ast.walk(node):
        ast.copy_location(part, at)
    return node
