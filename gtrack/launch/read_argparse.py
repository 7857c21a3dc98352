"""The options of the argparse parsers in a script's source."""

from __future__ import annotations

import ast
import builtins
from dataclasses import replace

from gtrack.launch.literals import NotLiteralError, Unwritable, literal, plain
from gtrack.launch.sources import Module, Sources
from gtrack.launch.spec import ParameterSpec
from gtrack.records import Value

_PARSE = frozenset({"parse_args", "parse_known_args", "parse_intermixed_args", "parse_known_intermixed_args"})
_MAKERS = frozenset({"add_parser", "add_argument_group", "add_mutually_exclusive_group"})
_FLAGS = frozenset({"store_true", "store_false", "store_const", "count", "append_const"})
_NO_PARAMETER = frozenset({"help", "version", "parsers"})
_TYPES = frozenset({"int", "float", "str", "bool"})


def read_argparse(sources: Sources) -> tuple[dict[str, ParameterSpec], bool] | None:
    """Return the options that the script's parsers have, and whether there may be more; None when it has no parser."""
    reader = _Reader(sources)
    for module in sources.modules():
        reader.read(module)
    if not reader.parses:
        return None
    if reader.hands_on:
        reader.found = {name: replace(spec, options=()) for name, spec in reader.found.items()}
    return reader.found, reader.open or not reader.makes


class _Reader:
    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self.found: dict[str, ParameterSpec] = {}
        self.open = False
        self.parses = False
        self.makes = False
        self.hands_on = False  # what follows an argument is another program's, options of the same names too

    def read(self, module: Module) -> None:
        """Take in the reached code of one module."""
        called = {id(call.func) for call in module.calls()}
        parsers = _parser_names(module)
        for node in module.nodes():
            if isinstance(node, ast.Call):
                self._call(module, node, parsers)
            elif isinstance(node, ast.ClassDef):
                self.makes |= any(module.origin(base).endswith("ArgumentParser") for base in node.bases)
            elif isinstance(node, ast.Attribute) and node.attr == "add_argument" and id(node) not in called:
                self.open = True  # `add = parser.add_argument`: what is added by that name is not seen

    def _call(self, module: Module, call: ast.Call, parsers: set[str]) -> None:
        name = module.origin(call.func)
        method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        if name.endswith("ArgumentParser"):
            self.parses = self.makes = True
            self.open |= not name.endswith("argparse.ArgumentParser") and not self._sources.is_local(module, name)
            self.open |= any(word.arg == "parents" and self._elsewhere(module, word.value) for word in call.keywords)
        elif method in _PARSE:
            self.parses |= "optparse" not in module.imports.values()
        elif method == "add_argument":
            self._argument(call, module)
        elif method == "add_subparsers":
            self._subparsers(call)
        elif any(isinstance(given, ast.Name) and given.id in parsers for given in _arguments(call)):
            self.open |= self._unread(module, call.func, parsers)

    def _elsewhere(self, module: Module, value: ast.expr) -> bool:
        """Whether a list of parent parsers names one that is imported from code that is not read."""
        names = [node for node in ast.walk(value) if isinstance(node, ast.Name) and node.id in module.imports]
        return any(not self._sources.is_local(module, module.origin(node)) for node in names)

    def _unread(self, module: Module, function: ast.expr, parsers: set[str]) -> bool:
        """Whether a parser is handed to a function that is not read: it may add arguments."""
        name = module.origin(function)
        root = name.split(".")[0]
        if hasattr(builtins, name) or root in parsers or root in {"self", "cls", "super", "argparse"}:
            return False
        return not self._sources.is_local(module, name)

    def _argument(self, call: ast.Call, module: Module) -> None:
        keywords = {word.arg: word.value for word in call.keywords}
        names = [_text(argument) for argument in call.args]
        if None in keywords or None in names or any(isinstance(one, ast.Starred) for one in call.args):
            self.open = True
            return
        options = [name for name in names if name]
        destination = _text(keywords["dest"]) if "dest" in keywords else _destination(options)
        if destination is None:
            self.open = True
            return
        action = _text(keywords["action"]) if "action" in keywords else ""
        if not destination or action in _NO_PARAMETER:
            return
        kind = "flag" if action in _FLAGS else _type_name(keywords.get("type"), module)
        choices = _choices(keywords["choices"]) if "choices" in keywords and (kind or "type" not in keywords) else ()
        default: Value = False if action == "store_true" else True if action == "store_false" else None
        if "default" in keywords:
            default = _value(keywords["default"])
        aliases = tuple(name.lstrip("-+/") for name in options if name.lstrip("-+/") != destination)
        rest = keywords.get("nargs")
        self.hands_on |= rest is not None and (_text(rest) == "..." or module.origin(rest).endswith("REMAINDER"))
        line = call.lineno if module is self._sources.script else 0
        strings = tuple(name for name in options if name[0] in "-+/")
        spec = ParameterSpec(destination, default, kind, line, aliases, choices=choices, options=strings)
        self.found[destination] = spec.beside(self.found.get(destination))

    def _subparsers(self, call: ast.Call) -> None:
        for word in call.keywords:
            destination = _text(word.value)
            if word.arg == "dest" and destination:
                self.found.setdefault(destination, ParameterSpec(destination, None, "str", call.lineno))


def _parser_names(module: Module) -> set[str]:
    """Return the names that hold a parser or a group of one."""
    names = {"parser"}
    for node in module.nodes():
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            function = node.value.func
            method = function.attr if isinstance(function, ast.Attribute) else ""
            if method in _MAKERS or module.origin(function).endswith("ArgumentParser"):
                names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def _arguments(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(word.value for word in call.keywords)]


def _text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _destination(options: list[str]) -> str:
    """Return the attribute that argparse makes of option strings: the first long one, else the first."""
    if not options:
        return ""
    if not options[0].startswith(("-", "+", "/")):
        return options[0]
    long = [name for name in options if len(name) > 1 and name[0] == name[1]]
    return (long or options)[0].lstrip("-+/").replace("-", "_")


def _type_name(node: ast.expr | None, module: Module) -> str:
    name = module.origin(node) if node is not None else ""
    return name if name in _TYPES else ""


def _choices(node: ast.expr) -> tuple[Value, ...]:
    """Return what ``choices=[…]`` lists; empty when that is not written down."""
    values = _value(node) if isinstance(node, ast.List | ast.Tuple | ast.Set) else None
    return tuple(values) if isinstance(values, list) else ()


def _value(node: ast.expr) -> Value:
    try:
        return plain(literal(node))
    except (NotLiteralError, Unwritable):
        return None
