"""The script or module of a plan: found as Python finds it, and compiled with the given constants in it."""

from __future__ import annotations

import ast
import builtins
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any

from gtrack.launch.constants import Constant, find_constants, owner
from gtrack.launch.notebook import uses_magics
from gtrack.launch.options import refuse
from gtrack.launch.plan import LaunchPlan
from gtrack.launch.rewrite import put_values, watch

Report = Callable[[str, int], None]


@dataclass
class Program:
    """What is going to run.

    Attributes:
        path: what becomes ``__file__``.
        spec: the module's spec when it is run as ``python -m`` does; None for a script.
        source: the bytes of the source; None for a module that has none.
        tree: the syntax tree, when the plan asks for constants.
        constants: the constants of the tree as they are in the source.
    """

    path: str
    spec: ModuleSpec | None
    source: bytes | None
    tree: ast.Module | None = None
    constants: dict[str, Constant] = field(default_factory=dict)

    def namespace(self, name: str) -> dict[str, Any]:
        """Return what Python puts into the globals of a main module before it runs it."""
        spec = self.spec
        loader = spec.loader if spec is not None else SourceFileLoader(name, self.path)
        return {
            "__name__": name,
            "__doc__": None,
            "__package__": spec.parent if spec is not None else None,
            "__loader__": loader,
            "__spec__": spec,
            "__file__": self.path,
            "__cached__": spec.cached if spec is not None else None,
            "__builtins__": builtins,
        }


def find_program(plan: LaunchPlan) -> Program:
    """Find the program of a plan, and set ``sys.path`` and ``sys.argv`` as Python does for it.

    A script or module that is not there ends the process with Python's own message and exit code.
    """
    safe = getattr(sys.flags, "safe_path", False)
    if plan.module is not None:
        if not safe:
            sys.path.insert(0, os.getcwd())  # noqa: PTH109  # as text, like the rest of sys.path
        sys.argv = ["-m", *plan.args]
        spec = _find_module(plan.module)
        path = spec.origin or ""
        sys.argv[0] = path
        return Program(path, spec, _module_source(spec))
    script = plan.script or ""
    path = os.path.join(os.getcwd(), script)  # noqa: PTH109, PTH118  # just as Python does: with the `./` of `./a.py`
    if not safe:
        sys.path.insert(0, os.path.dirname(os.path.realpath(path)))  # noqa: PTH120  # as text, like the rest of sys.path
    sys.argv = [script, *plan.args]
    try:
        with open(path, "rb") as file:  # noqa: PTH123  # pathlib would be the only use of it at start-up
            return Program(path, None, file.read())
    except OSError as error:
        refuse(f"can't open {path!r}: {error.strerror}")


def _find_module(name: str) -> ModuleSpec:
    from importlib.util import find_spec  # noqa: PLC0415  # scripts are started without it

    try:
        spec = find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            return _find_module(f"{name}.__main__")
    except ModuleNotFoundError as error:
        # Python tells a package that is not there from one whose own imports fail.
        if error.name is None or not name.startswith(error.name):
            raise
        spec = None
    if spec is None or spec.loader is None:
        sys.stderr.write(f"{sys.executable}: No module named {name}\n")
        raise SystemExit(1)
    return spec


def _module_source(spec: ModuleSpec) -> bytes | None:
    path = spec.origin or ""
    if not path.endswith(".py"):
        return None
    try:
        with open(path, "rb") as file:  # noqa: PTH123  # as for scripts
            return file.read()
    except OSError:
        return None


def compile_program(program: Program, plan: LaunchPlan, *, watched: bool) -> CodeType:
    """Return the code of the program, with the plan's constants put in.

    Args:
        program: what ``find_program`` found; its tree and constants are filled in when the mechanism asks for them.
        plan: what is to be put in.
        watched: whether the code shall report the bindings of parameters, see ``rewrite.watch``.

    Raises:
        SyntaxError: the source is no Python.
    """
    if program.source is None:
        loader: Any = program.spec.loader if program.spec is not None else None
        return loader.get_code(program.spec.name)  # type: ignore[no-any-return,union-attr]  # a module without source
    if plan.mechanism != "constants":
        return compile(program.source, program.path, "exec", dont_inherit=True)
    tree = ast.parse(program.source, program.path)
    program.tree = tree
    constants = program.constants = find_constants(tree)
    put_values(constants, plan.given)
    if watched:
        given = {found[0].name for name in plan.given if (found := owner(constants, name)) is not None}
        watch(one for one in constants.values() if one.parameter or one.name in given)
    return compile(tree, program.path, "exec", dont_inherit=True)


def main_module(program: Program) -> ModuleType:
    """Put an empty ``__main__`` for the program into ``sys.modules`` and return it."""
    module = ModuleType("__main__")
    vars(module).update(program.namespace("__main__"))
    if sys.version_info < (3, 14):
        vars(module)["__annotations__"] = {}
    if program.source is not None and uses_magics(program.source):
        # Imported here alone: almost no script was a notebook.
        from gtrack.launch.notebook import stand_in  # noqa: PLC0415

        vars(module)["get_ipython"] = stand_in(vars(module))
    sys.modules["__main__"] = module
    return module
