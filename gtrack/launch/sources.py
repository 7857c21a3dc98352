"""The code that a script can come to run: its own, and what it uses of the modules beside it and in its repository.

Nothing is imported. Of another module, the top level is read and those functions and classes that are used by name, directly
or by one that is: a neighbour's own ``main()``, which builds its own parser, is not part of this script.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gtrack.launch.constants import is_main_guard

_MOST_FILES = 400
_MOST_BYTES = 2_000_000
_TELLING = re.compile(rb"argparse|ArgumentParser|add_argument|\bclick\b|\btyper\b|\bgtrack\b")
_IMPORT = re.compile(
    rb"^[ \t]*(?:from[ \t]+([.\w]+)[ \t]+import[ \t]*\(?([\w \t,.*\\\r\n#]*)|import[ \t]+([\w., \t]+))", re.MULTILINE
)

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(eq=False)
class Module:
    """One file of Python.

    Attributes:
        path: where it is.
        tree: its syntax tree.
        imports: name in this module to what it stands for, dotted (``opt`` for ``click.option``), relative ones with dots.
        definitions: its top-level functions and classes.
        reached: the statements that the script can come to run.
    """

    path: Path
    tree: ast.Module
    imports: dict[str, str] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    definitions: dict[str, ast.stmt] = field(default_factory=dict)
    reached: list[ast.stmt] = field(default_factory=list)

    def origin(self, node: ast.expr) -> str:
        """Return the dotted name of what an expression stands for: ``click.option``; empty when it is no such thing.

        What this module itself defines has its plain name.
        """
        if isinstance(node, ast.Name):
            return self.imports.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            base = self.origin(node.value)
            return f"{base}.{node.attr}" if base else ""
        return ""

    def nodes(self) -> Iterator[ast.AST]:
        """Yield every node of the reached code."""
        for statement in self.reached:
            yield from ast.walk(statement)

    def calls(self) -> Iterator[ast.Call]:
        """Yield every call in the reached code."""
        return (node for node in self.nodes() if isinstance(node, ast.Call))


class Sources:
    """A script with the modules that it uses.

    Args:
        script: the file that is run.
        source: its bytes.
        directories: where its absolute imports may be found: its own directory first.

    Raises:
        SyntaxError: the script is no Python.
        ValueError: the script holds a null byte.
    """

    def __init__(self, script: Path, source: bytes, directories: Sequence[Path]) -> None:
        self._directories = list(dict.fromkeys(directories))
        self._modules: dict[Path, Module | None] = {}
        self.script = _module(script, source)
        self._modules[script] = self.script
        self.script.reached = list(self.script.tree.body)
        if self._neighbours_matter(script, source):
            self._follow(self.script)

    def modules(self) -> Iterator[Module]:
        """Yield the script and the modules of which something is reached."""
        return (module for module in list(self._modules.values()) if module is not None and module.reached)

    def is_local(self, module: Module, dotted: str) -> bool:
        """Whether a dotted name, as ``Module.origin`` gives it, is defined in code that is read here."""
        head = dotted.partition(".")[0] if not dotted.startswith(".") else ""
        if head in module.definitions:
            return True
        return self._resolve(module, dotted) is not None

    def _neighbours_matter(self, script: Path, source: bytes) -> bool:
        """Whether any file that the script imports, however far, may have to do with parameters; a quick look."""
        seen = {script}
        waiting = [(script, source)]
        while waiting and len(seen) < _MOST_FILES:
            path, text = waiting.pop()
            for dotted in _imported(text):
                for found in self._files(path, dotted):
                    if found not in seen:
                        seen.add(found)
                        content = _read(found)
                        if _TELLING.search(content):
                            return True
                        waiting.append((found, content))
        return False

    def _files(self, importer: Path, dotted: str) -> Iterator[Path]:
        """Yield the files that an import may mean: the module, and the packages around it."""
        level = len(dotted) - len(dotted.lstrip("."))
        parts = [part for part in dotted[level:].split(".") if part]
        bases = [importer.parents[level - 1]] if level and level <= len(importer.parents) else self._directories
        for base in bases:
            for length in range(len(parts), -1 if level else 0, -1):
                found = _file(base.joinpath(*parts[:length]))
                if found is not None:
                    yield found

    def _resolve(self, importer: Module, dotted: str) -> tuple[Module, str] | None:
        """Return the module that a dotted name is in, and the name there (empty for the module itself)."""
        level = len(dotted) - len(dotted.lstrip("."))
        parts = [part for part in dotted[level:].split(".") if part]
        inside = level > 0 and level <= len(importer.path.parents)
        bases = [importer.path.parents[level - 1]] if inside else ([] if level else self._directories)
        for base in bases:
            for length in range(len(parts), -1 if level else 0, -1):
                found = _file(base.joinpath(*parts[:length]))
                module = self._load(found) if found is not None else None
                if module is not None:
                    return module, parts[length] if length < len(parts) else ""
        return None

    def _load(self, path: Path) -> Module | None:
        if path not in self._modules and len(self._modules) < _MOST_FILES:
            try:
                self._modules[path] = _module(path, _read(path))
            except (SyntaxError, ValueError, RecursionError):
                self._modules[path] = None
        return self._modules.get(path)

    def _follow(self, script: Module) -> None:
        waiting: list[tuple[Module, ast.stmt]] = [(script, statement) for statement in script.reached]
        while waiting:
            module, statement = waiting.pop()
            for target, name in self._used(module, statement):
                waiting += [(target, new) for new in _reach(target, name)]

    def _used(self, module: Module, statement: ast.stmt) -> Iterator[tuple[Module, str]]:
        """Yield what a statement uses: a module and the name in it, empty for its top level."""
        for node in ast.walk(statement):
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield from self._imports(module, node)
            elif isinstance(node, ast.Name | ast.Attribute):
                yield from self._named(module, module.origin(node))

    def _imports(self, module: Module, node: ast.Import | ast.ImportFrom) -> Iterator[tuple[Module, str]]:
        for dotted in _dotted(node):
            found = self._resolve(module, dotted)
            if found is not None:
                yield found[0], ""

    def _named(self, module: Module, dotted: str) -> Iterator[tuple[Module, str]]:
        head = dotted.partition(".")[0]
        if head in module.definitions:
            yield module, head
            return
        found = self._resolve(module, dotted) if dotted else None
        if found is None:
            found = next((star for one in module.stars if (star := self._resolve(module, f"{one}.{head}"))), None)
        if found is not None and found[0] is not module:
            target, name = found
            yield target, name
            if name in target.imports:  # a package that hands on what another of its modules defines
                yield from self._named(target, target.imports[name])


def _reach(module: Module, name: str) -> list[ast.stmt]:
    """Mark the top level of a module, and one definition of it, as reached; return what is new."""
    new: list[ast.stmt] = []
    if not module.reached:
        new += [node for node in module.tree.body if not isinstance(node, _DEFINITIONS) and not is_main_guard(node)]
    definition = module.definitions.get(name)
    if definition is not None and definition not in module.reached:
        new.append(definition)
    module.reached += new
    return new


def _module(path: Path, source: bytes) -> Module:
    module = Module(path, ast.parse(source, str(path)))
    for node in module.tree.body:
        if isinstance(node, _DEFINITIONS):
            module.definitions[node.name] = node
    for imported in ast.walk(module.tree):
        if isinstance(imported, ast.Import):
            for alias in imported.names:
                name = alias.asname or alias.name.split(".")[0]
                module.imports[name] = alias.name if alias.asname else name
        elif isinstance(imported, ast.ImportFrom):
            prefix = _prefix(imported)
            for alias in imported.names:
                if alias.name == "*":
                    module.stars.append(prefix.rstrip(".") or prefix)
                else:
                    module.imports[alias.asname or alias.name] = f"{prefix}{alias.name}"
    return module


def _prefix(node: ast.ImportFrom) -> str:
    return "." * node.level + (f"{node.module}." if node.module else "")


def _dotted(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [_prefix(node) + ("" if alias.name == "*" else alias.name) for alias in node.names]


def _imported(source: bytes) -> Iterator[str]:
    for match in _IMPORT.finditer(source):
        start, names, plain = (part.decode("ascii", "ignore") if part else "" for part in match.groups())
        for name in re.findall(r"[\w.]+", plain):
            yield name
        if start:
            yield start
            for name in re.findall(r"\w+", names):
                yield start + ("" if start.endswith(".") else ".") + name


def _file(stem: Path) -> Path | None:
    for path in (stem.with_name(f"{stem.name}.py"), stem / "__init__.py"):
        if stem.name and path.is_file():
            return path
    return None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES)
    except OSError:
        return b""
