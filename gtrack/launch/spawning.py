"""Gives the processes that a script spawns with multiprocessing the same constants as the script itself.

A spawned process imports the script's main module once more, from its file. So the launched process names
``gtrack.launch.worker`` as its main module instead, which runs the script with the constants put in.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import Any

from gtrack.launch.plan import LaunchPlan
from gtrack.launch.post_import import when_imported
from gtrack.launch.program import Program, compile_program, find_program

PLAN_VARIABLE = "GTRACK_SPAWN_PLAN"
"""Environment variable with the plan, for the processes that the script spawns."""

_WORKER = "gtrack.launch.worker"


def prepare_spawning(plan: LaunchPlan, program: Program) -> None:
    """Have processes that are spawned from here on run ``program`` with the constants of ``plan``."""
    path = program.path if plan.script is not None else None  # the script may change its directory
    os.environ[PLAN_VARIABLE] = replace(plan, script=path).to_json()
    when_imported("multiprocessing.spawn", _wrap)


def _wrap(module: Any) -> None:
    original = module.get_preparation_data

    def get_preparation_data(name: str) -> dict[str, Any]:
        data: dict[str, Any] = original(name)
        if data.pop("init_main_from_path", None) or "init_main_from_name" in data:
            data["init_main_from_name"] = _WORKER
        return data

    module.get_preparation_data = get_preparation_data


def become_main(namespace: dict[str, Any]) -> None:
    """Run the plan's program in ``namespace``, in the place of the module that it belonged to."""
    plan = LaunchPlan.from_json(os.environ[PLAN_VARIABLE])
    path, argv = list(sys.path), list(sys.argv)
    program = find_program(plan)
    sys.path[:], sys.argv[:] = path, argv  # multiprocessing has set both already
    code = compile_program(program, plan, watched=False)
    when_imported("multiprocessing.spawn", _wrap)
    name = namespace["__name__"]
    namespace.clear()
    namespace.update(program.namespace(name))
    exec(code, namespace)  # noqa: S102  # running the user's program is what this is for
