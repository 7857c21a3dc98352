"""Which parameters a script has, found in its source: nothing of it is executed."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gtrack.errors import InvalidValue, UnknownParameter, UsageError
from gtrack.launch.accepted import check_accepted
from gtrack.launch.constants import Constant, at_path, find_constants, owner, specs_of
from gtrack.launch.literals import NotLiteralError, Unwritable, fit, kind_of, literal, plain
from gtrack.launch.options import given_twice, repeated, same_name
from gtrack.launch.plan import Mechanism
from gtrack.launch.read_argparse import read_argparse
from gtrack.launch.read_click import read_click, read_typer
from gtrack.launch.sources import Module, Sources
from gtrack.launch.spec import ParameterSpec
from gtrack.records import Value

_PARSERS = frozenset({"argparse", "click", "typer"})


@dataclass(frozen=True)
class ScriptParameters:
    """The parameters of a script or module.

    Attributes:
        mechanism: how a given value reaches the script.
        parameters: what is recorded, by name, in the order of the source.
        open: whether there may be more than the source shows (a parser that is built in a loop, or in an installed
            package): then an unknown name is found out in the child, when the parser is there to be asked.
        constants: the module's constants, where they are the mechanism; also those that are only recorded when given.
    """

    mechanism: Mechanism = "none"
    parameters: Mapping[str, ParameterSpec] = field(default_factory=dict)
    open: bool = False
    constants: Mapping[str, Constant] = field(default_factory=dict)

    def find(self, name: str) -> ParameterSpec | None:
        """Return the parameter that ``name`` means: by its own name, or by an alias, with ``-`` for ``_`` as well."""
        if name in self.parameters:
            return self.parameters[name]
        found = owner(self.constants, name)
        if found is not None:
            like = at_path(found[0].value, found[1])[1]
            return ParameterSpec(name, plain(like), kind_of(like), found[0].line)
        for spec in self.parameters.values():
            if same_name(name, spec.name) or any(same_name(name, alias) for alias in spec.aliases):
                return spec
        return self._inside(name)

    def _inside(self, name: str) -> ParameterSpec | None:
        """Return the key of a mapping that a keyword of ``gtrack.params`` may have: the source does not show its default."""
        head, dot, _ = name.partition(".")
        around = self.parameters.get(head) if dot and self.mechanism == "gtrack.params" else None
        return ParameterSpec(name) if around is not None and not around.kind else None

    def check(
        self, given: Mapping[str, Value], script_name: str, texts: Mapping[str, str] | None = None
    ) -> dict[str, Value]:
        """Return ``given`` as the script can take it: constants in the type of their literal, keywords spelt as in Python.

        Args:
            given: the values of ``--param`` and ``--params-file`` by name.
            script_name: what the messages call the script.
            texts: the words that were typed, by the names of ``given``, for those that were typed: a text constant
                takes them as they are.

        Raises:
            UnknownParameter: the script has no parameter of that name.
            InvalidValue: the value cannot be one of that constant or option (a text for a number, none of its choices).
        """
        checked: dict[str, Value] = {}
        for name, value in given.items():
            spec = self.find(name)
            if spec is None and not self.open:
                raise UnknownParameter.of(name, script_name, self._listed())
            own = self.own_name(name)
            text = (texts or {}).get(name)
            if self.mechanism == "constants" and spec is not None:
                value = self._fitted(own, value, script_name, text)  # noqa: PLW2901
            elif self.mechanism in _PARSERS and spec is not None:
                check_accepted(name, spec, value, text, script_name)
            checked[own] = value
        return checked

    def own_name(self, name: str) -> str:
        """Return what the script calls the parameter that is given as ``name``."""
        spec = self.find(name)
        if spec is None:
            return name.replace("-", "_") if self.mechanism == "gtrack.params" else name
        return name if spec.kind == "flag" else spec.name  # `no_cache=true` of a flag is not `cache=true`

    def check_arguments(self, given: Iterable[str], args: Sequence[str]) -> None:
        """Refuse a given name that the script's arguments ``args`` give too, as far as the source shows it.

        An option string that several parameters have (each of another subcommand) tells nothing.

        Raises:
            UsageError: a value is given twice.
        """
        if self.open:
            return
        owners = Counter(option for spec in self.parameters.values() for option in spec.options)
        for name in given:
            spec = self.find(name)
            twice = repeated(args, [one for one in spec.options if owners[one] == 1]) if spec is not None else None
            if twice is not None:
                raise UsageError(given_twice(name, twice))

    def _listed(self) -> list[str]:
        """Return the names to choose from: of a constant that is a mapping those of its keys."""
        keys = self.mechanism == "constants"
        return [
            name
            for name, spec in self.parameters.items()
            if not (keys and isinstance(spec.default, dict) and spec.default)
        ]

    def _fitted(self, name: str, value: Value, script_name: str, text: str | None) -> Value:
        found = owner(self.constants, name)
        if found is None:
            return value
        try:
            return fit(at_path(found[0].value, found[1])[1], value, text)
        except InvalidValue as error:
            raise InvalidValue(f"{name} of {script_name} {error}") from None


def discover(script: Path, roots: Sequence[Path]) -> ScriptParameters:
    """Return the parameters of the file ``script``.

    Args:
        script: a Python file.
        roots: directories whose modules are read too when the script imports them (the repository), beside the
            script's own directory.

    Returns:
        What was found; a script that is no Python, or that Python cannot parse, has no parameters.
    """
    path = script.absolute()
    return _discover(path, [path.resolve().parent, *roots])


def discover_module(name: str, search_path: Sequence[Path], roots: Sequence[Path]) -> ScriptParameters:
    """Return the parameters of the module, or of the package with a ``__main__``, that ``python -m name`` would run.

    Args:
        name: dotted name.
        search_path: directories in which Python would look for it, the working directory first; a module that is not
            in them, or has no source, is ``open``.
        roots: directories whose modules are read too.
    """
    parts = name.split(".")
    for directory in search_path:
        stem = directory.absolute().joinpath(*parts)
        for path in (stem / "__main__.py", stem.with_name(f"{stem.name}.py")):
            if path.is_file():
                return _discover(path, [directory.absolute(), *roots])
    return ScriptParameters("none", open=True)


def _discover(path: Path, directories: Sequence[Path]) -> ScriptParameters:
    try:
        sources = Sources(path, path.read_bytes(), directories)
    except (OSError, SyntaxError, ValueError, RecursionError):
        return ScriptParameters()
    keywords = _read_params(sources)
    if keywords is not None:
        return ScriptParameters("gtrack.params", *keywords)
    options = read_argparse(sources)
    if options is not None:
        return ScriptParameters("argparse", *options)
    options = read_click(sources)
    if options is not None:
        return ScriptParameters("click", *options)
    options = read_typer(sources)
    if options is not None:
        return ScriptParameters("typer", *options)
    constants = find_constants(sources.script.tree)
    specs = [spec for constant in constants.values() if constant.parameter for spec in constant.specs()]
    mechanism: Mechanism = "constants" if constants else "none"
    return ScriptParameters(mechanism, {spec.name: spec for spec in specs}, constants=constants)


def _read_params(sources: Sources) -> tuple[dict[str, ParameterSpec], bool] | None:
    """Return the keywords of the calls of ``gtrack.params``, and whether there may be more; None when there is no call."""
    found: dict[str, ParameterSpec] = {}
    called = more = False
    for module in sources.modules():
        for call in module.calls():
            if module.origin(call.func) != "gtrack.params":
                continue
            called = True
            for word in call.keywords:
                specs = _keyword(module, word) if word.arg is not None else _unpacked(module, word.value)
                more |= specs is None
                found.update({spec.name: spec for spec in specs or ()})
    return (found, more) if called else None


def _keyword(module: Module, word: ast.keyword) -> list[ParameterSpec]:
    """Return the parameter that a keyword is, and those that the keys of its default are where that is a mapping."""
    name = word.arg or ""
    if isinstance(word.value, ast.Name):
        value = _written_down(module, word.value)
        if isinstance(value, dict):
            return list(specs_of(name, value, word.value.lineno))
    return list(_shown(name, word.value))


def _shown(name: str, node: ast.expr) -> Iterator[ParameterSpec]:
    try:
        yield from specs_of(name, literal(node), node.lineno)
    except (NotLiteralError, Unwritable):
        inside = list(zip(node.keys, node.values, strict=True)) if isinstance(node, ast.Dict) else []
        keys = [key.value for key, _ in inside if isinstance(key, ast.Constant) and isinstance(key.value, str | int)]
        whole = bool(inside) and len(keys) == len(inside)
        yield ParameterSpec(name, kind="dict" if whole else "", line=node.lineno)
        for key, (_, value) in zip(keys, inside, strict=True) if whole else ():
            yield from _shown(f"{name}.{key}", value)


def _written_down(module: Module, node: ast.Name) -> object:
    """Return the value of a constant of the module; None where it has no such parameter."""
    constant = find_constants(module.tree).get(node.id)
    return constant.value if constant is not None and constant.parameter else None


def _unpacked(module: Module, node: ast.expr) -> list[ParameterSpec] | None:
    """Return the keys of ``**DEFAULTS`` where that is a mapping which the module writes down; None where it is not."""
    value = _written_down(module, node) if isinstance(node, ast.Name) else None
    if isinstance(node, ast.Dict):
        try:
            value = literal(node)
        except NotLiteralError:
            return None
    if not isinstance(value, dict):
        return None
    return [spec for key, one in value.items() for spec in specs_of(str(key), one, node.lineno)]
