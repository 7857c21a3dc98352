"""The launched process: runs the script as if Python had, with its parameters, and records what it really ran with."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Collection
from dataclasses import replace
from importlib.machinery import ModuleSpec
from itertools import pairwise
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Protocol

from gtrack.errors import UsageError
from gtrack.launch.neighbours import Neighbours
from gtrack.launch.plan import PLAN_VARIABLE, LaunchPlan
from gtrack.launch.program import Program, compile_program, find_program, main_module
from gtrack.launch.recorder import Recorder
from gtrack.variables import GIVEN_TEXTS_VARIABLE, RUN_DIR_VARIABLE

_OWN = os.path.dirname(os.path.abspath(__file__)) + os.sep  # noqa: PTH100, PTH120  # compared with names of code objects


class Hook(Protocol):
    """Something that has a last word when the script has ended."""

    def finish(self) -> None:
        """Record what is only known at the end."""


def main(loaded_by_python: Collection[str]) -> None:
    """Run the plan that the environment holds, in this process.

    Args:
        loaded_by_python: names of the modules that Python itself had loaded before gtrack came.
    """
    plan = LaunchPlan.from_json(os.environ.pop(PLAN_VARIABLE))
    neighbours = Neighbours(loaded_by_python)
    recorder = Recorder(Path(os.environ[RUN_DIR_VARIABLE]), neighbours.aside)
    hooks: list[Hook] = []
    # Nothing but the script's own code is between here and the end, so an error shows the script's own frames alone.
    run: Callable[[], None] | None = None
    try:
        run = _prepare(plan, recorder, hooks, neighbours)
        run()
    except BaseException as error:
        _hide_own_frames(everything=run is None and isinstance(error, SyntaxError))
        raise
    finally:
        for hook in hooks:
            _finish(hook, recorder)


def _prepare(plan: LaunchPlan, recorder: Recorder, hooks: list[Hook], neighbours: Neighbours) -> Callable[[], None]:
    program = find_program(plan)
    neighbours.look()
    with neighbours.aside():
        if plan.mechanism == "none" and program.spec is not None:
            plan = _discovered(plan, program, program.spec)
        code = compile_program(program, plan, watched=True)
        _install_hooks(plan, program, recorder, hooks)
        module = main_module(program)
        _start_constants(plan, program, recorder, hooks, module)

    def run() -> None:
        exec(code, vars(module))  # noqa: S102  # running the user's program is what this is for

    return run


def _discovered(plan: LaunchPlan, program: Program, spec: ModuleSpec) -> LaunchPlan:
    """Return the plan with the parameters of a module that only this process could find: it may be installed anywhere."""
    from gtrack.launch.options import refuse  # noqa: PLC0415  # see _install_hooks
    from gtrack.launch.parameters import discover  # noqa: PLC0415  # see _install_hooks

    path = Path(program.path)
    found = discover(path, [path.parents[spec.name.count(".")]])
    try:
        given = found.check(plan.given, spec.name, plan.texts)
    except UsageError as error:
        refuse(str(error))
    return replace(plan, given=given, mechanism=found.mechanism)


def _install_hooks(plan: LaunchPlan, program: Program, recorder: Recorder, hooks: list[Hook]) -> None:
    # Each is imported only for the plan that needs it: a script pays for its own mechanism alone.
    if plan.seed is not None:
        from gtrack.launch.hook_seed import seed_generators  # noqa: PLC0415

        seed_generators(plan.seed)
    if plan.autolog:
        from gtrack.launch.hook_autolog import start_autologging  # noqa: PLC0415

        start_autologging(recorder.imports, recorder.notice)
    if plan.figures:
        from gtrack.launch.hook_figures import FigureHook  # noqa: PLC0415

        figures = FigureHook(recorder)
        figures.install()
        hooks.append(figures)
    os.environ.pop(GIVEN_TEXTS_VARIABLE, None)  # of a run around this one
    if plan.mechanism == "gtrack.params" and plan.given:
        if plan.texts:
            os.environ[GIVEN_TEXTS_VARIABLE] = json.dumps(dict(plan.texts))
        from gtrack.launch.hook_params import ParamsHook  # noqa: PLC0415

        hooks.append(ParamsHook(plan.script or plan.module or "", plan.given, recorder))
    if plan.mechanism in {"argparse", "click", "typer"}:
        hooks.append(_parser_hook(plan, program, recorder))


def _parser_hook(plan: LaunchPlan, program: Program, recorder: Recorder) -> Hook:
    from gtrack.launch.options import Given  # noqa: PLC0415  # see _install_hooks

    given = Given(plan.script or plan.module or "", plan.given, plan.texts)
    if plan.mechanism == "argparse":
        from gtrack.launch.hook_argparse import ArgparseHook  # noqa: PLC0415  # see _install_hooks

        own = os.path.dirname(program.path) if plan.module is not None else None  # noqa: PTH120  # as text
        parsers = ArgparseHook(given, recorder, own)
        parsers.install()
        return parsers
    from gtrack.launch.hook_click import ClickHook  # noqa: PLC0415  # see _install_hooks

    commands = ClickHook(given, recorder)
    commands.install()
    return commands


def _start_constants(
    plan: LaunchPlan, program: Program, recorder: Recorder, hooks: list[Hook], module: ModuleType
) -> None:
    if not program.constants:
        return
    from gtrack.launch.hook_constants import ConstantsHook  # noqa: PLC0415  # see _install_hooks

    constants = ConstantsHook(program, plan.given, recorder, vars(module))
    constants.start()
    hooks.append(constants)
    if plan.given:
        from gtrack.launch.spawning import prepare_spawning  # noqa: PLC0415  # see _install_hooks

        prepare_spawning(plan, program)


def _finish(hook: Hook, recorder: Recorder) -> None:
    if not recorder.here:
        return
    try:
        hook.finish()
    except Exception as error:  # noqa: BLE001  # the script has ended as it has; this must not change how
        recorder.notice(f"Not everything could be recorded at the end: {type(error).__name__}: {error}")


def _hide_own_frames(*, everything: bool) -> None:
    """Have the error that is on its way out shown as Python would show it without gtrack around it.

    The exception goes on to the interpreter, which knows best what to do about each kind; only what is printed is cut.

    Args:
        everything: whether to show no frames at all: Python finds a syntax error before anything runs.
    """
    show = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        cut = None if everything else _without_own(trace)
        show(kind, error.with_traceback(cut), cut)

    sys.excepthook = hook


def _without_own(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback without the frames of this package, which stand around the script and around what it calls."""
    frames: list[TracebackType] = []
    while trace is not None:
        frames.append(trace)
        trace = trace.tb_next
    if frames and _is_own(frames[-1]):
        return frames[0]  # our own mistake: its author needs all of it
    kept = [frame for frame in frames if not _is_own(frame)]
    for frame, following in pairwise(kept):
        frame.tb_next = following
    return kept[0] if kept else None


def _is_own(trace: TracebackType) -> bool:
    return trace.tb_frame.f_code.co_filename.startswith(_OWN)
