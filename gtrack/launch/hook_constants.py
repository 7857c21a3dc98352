"""Records the constants of a launched script: before it runs, when it binds one anew, and as they are at its end."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any

from gtrack.launch.constants import Constant, at_path, lines_that_set, owner
from gtrack.launch.joined import shown
from gtrack.launch.literals import Unwritable, is_brief, plain, restore
from gtrack.launch.program import Program
from gtrack.launch.recorder import Recorder
from gtrack.launch.rewrite import REPORT
from gtrack.records import Value

_MISSING = object()


class ConstantsHook:
    """Follows the constants of one program.

    Args:
        program: compiled, so that its constants are known.
        given: the given values by name, dotted for a key of a mapping.
        recorder: where the parameters go.
        namespace: the globals that the program runs in.
    """

    def __init__(
        self, program: Program, given: Mapping[str, Value], recorder: Recorder, namespace: dict[str, Any]
    ) -> None:
        self._program = program
        self._given = given
        self._recorder = recorder
        self._namespace = namespace
        self._followed: dict[str, Constant] = {}
        self._said: dict[str, Value] = {}
        for constant in program.constants.values():
            if constant.parameter or self._given_of(constant.name):
                self._followed[constant.name] = constant

    def _given_of(self, name: str) -> list[tuple[str, tuple[str, ...]]]:
        """Return the given names that mean the constant ``name`` or a key of it, with the keys."""
        found = [(given, owner(self._program.constants, given)) for given in self._given]
        return [(given, target[1]) for given, target in found if target is not None and target[0].name == name]

    def start(self) -> None:
        """Record what the program is going to bind for certain, and be told of the rest."""
        setattr(builtins, REPORT, self._bound)
        self._recorder.params({name: self._initial(one) for name, one in self._followed.items() if one.sure})

    def _initial(self, constant: Constant) -> Value:
        value = plain(constant.value)
        for given, path in sorted(self._given_of(constant.name), key=lambda found: len(found[1])):
            value = _with(value, path, plain(restore(at_path(constant.value, path)[1], self._given[given])))
        return value

    def _bound(self, name: str, line: int) -> None:
        """Take note that the program has bound ``name`` on ``line``; the program calls this itself."""
        if self._recorder.here:
            self._compare(self._followed[name], line)

    def finish(self) -> None:
        """Amend what the program left behind under the names of its parameters, where it did not go on from them."""
        for constant in self._followed.values():
            if all(change.path for change in constant.derived):
                self._compare(constant, None)
            self._say_derived(constant)

    def _compare(self, constant: Constant, line: int | None) -> None:
        now = self._now(constant)
        if now is _MISSING:
            return
        now = self._as_it_went_on_from(constant, now)
        given = self._given_of(constant.name)
        if _differs(now, self._recorder.recorded(constant.name)):
            if not given and not is_brief(now):
                return
            self._recorder.params({constant.name: now})
        for name, path in given:
            self._say_overwritten(constant, name, path, now, line)

    def _now(self, constant: Constant) -> Any:
        value = self._namespace.get(constant.name, _MISSING)
        try:
            return value if value is _MISSING else plain(value)
        except Unwritable:
            return _MISSING

    def _as_it_went_on_from(self, constant: Constant, now: Any) -> Any:
        """Return ``now`` with the recorded values under the keys that the program computes with."""
        recorded = self._recorder.recorded(constant.name)
        for change in constant.derived:
            there, value = at_path(recorded, change.path)
            if change.path and there and at_path(now, change.path)[0]:
                now = _with(now, change.path, plain(value))
        return now

    def _say_overwritten(
        self, constant: Constant, name: str, path: tuple[str, ...], now: Any, line: int | None
    ) -> None:
        wanted = plain(restore(at_path(constant.value, path)[1], self._given[name]))
        there, ran = at_path(now, path)
        ran = ran if there else None
        if not _differs(ran, wanted) or (name in self._said and not _differs(ran, self._said[name])):
            return
        self._said[name] = plain(ran)
        where = line or self._line(constant)
        what = f"line {where}" if where else "the script"
        wanted, ran = shown(name, wanted), shown(name, self._said[name])
        self._recorder.notice(f"{name} was given as {wanted!r} but {what} set it to {ran!r}: the run ran with {ran!r}.")

    def _line(self, constant: Constant) -> int | None:
        """Return the last line that may have changed a constant without having been watched."""
        derived = {change.line for change in constant.derived}
        lines = lines_that_set(self._program.tree, constant.name) if self._program.tree is not None else []
        lines = [line for line in lines if line not in derived]
        return lines[-1] if lines and lines[-1] != constant.line else None

    def _say_derived(self, constant: Constant) -> None:
        for name, path in self._given_of(constant.name) if constant.derived else ():
            lines = [change.line for change in constant.derived if path[: len(change.path)] == change.path]
            there, now = at_path(self._now(constant), path)
            wanted = at_path(self._recorder.recorded(constant.name), path)[1]
            if not lines or not there or now is _MISSING or name in self._said or not _differs(now, wanted):
                continue
            was, ended = shown(name, plain(wanted)), shown(name, plain(now))
            self._recorder.notice(
                f"{name} was given as {was!r} and line {lines[-1]} goes on from there: it is {ended!r} at the end, "
                f"{was!r} is recorded."
            )


def _differs(one: object, other: object) -> bool:
    return one != other or type(one) is not type(other)


def _with(value: Value, path: tuple[str, ...], new: Value) -> Value:
    if not path or not isinstance(value, dict):
        return new
    return {**value, path[0]: _with(value.get(path[0]), path[1:], new)}
