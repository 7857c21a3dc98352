"""What the parent of a launched run tells the child: one small record that travels as JSON in an environment variable."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from gtrack.records import Value

Mechanism: TypeAlias = Literal["gtrack.params", "argparse", "click", "typer", "constants", "none"]

PLAN_VARIABLE = "GTRACK_LAUNCH"
"""Environment variable with the JSON of the plan; the child takes it out of its environment before the script runs."""


@dataclass(frozen=True)
class LaunchPlan:
    """How the child is to run a script or a module.

    Attributes:
        script: the path of the script as the user wrote it, relative to the working directory or absolute; or None.
        module: the dotted name of a module or package to run as ``python -m`` does; or None.
        args: what the script finds in ``sys.argv[1:]``.
        given: the values of ``--param`` by name, as ``ScriptParameters.check`` returned them.
        mechanism: how they reach the script (``ScriptParameters.mechanism``).
        texts: the text of those that were typed on a command line, by the same names: an option that takes text gets
            exactly the words that were typed (``007``, ``1.10``), not what YAML made of them.
        figures: whether matplotlib figures are kept.
        seed: what random generators are seeded with before the script runs; None leaves them alone.
        autolog: whether autologging is switched on for the libraries that have it.
    """

    script: str | None = None
    module: str | None = None
    args: Sequence[str] = ()
    given: Mapping[str, Value] = field(default_factory=dict)
    mechanism: Mechanism = "none"
    texts: Mapping[str, str] = field(default_factory=dict)
    figures: bool = True
    seed: int | None = None
    autolog: bool = False

    def to_json(self) -> str:
        """Return the plan as one line of JSON."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> LaunchPlan:
        """Read what ``to_json`` wrote.

        Raises:
            TypeError: the text holds keys that this version of gtrack does not know.
            ValueError: the text is no JSON.
        """
        return cls(**json.loads(text))

    def command(self, python: str) -> list[str]:
        """Return the command that runs this plan with the interpreter ``python``.

        The script and its arguments are repeated at the end, where ``ps`` and ``pkill -f`` look for them; what counts
        is the plan in the environment. The child is started by the path of its file and not with ``-m``: that would
        put the working directory before the standard library while gtrack itself is imported.
        """
        target = [self.script] if self.script is not None else ["-m", self.module or ""]
        return [python, str(Path(__file__).with_name("bootstrap.py")), *target, *self.args]
