"""The options and arguments of the click and typer commands in a script's source."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from gtrack.launch.literals import NotLiteralError, Unwritable, literal, plain
from gtrack.launch.sources import Module, Sources
from gtrack.launch.spec import ParameterSpec
from gtrack.records import Value

Function: TypeAlias = "ast.FunctionDef | ast.AsyncFunctionDef"
Read: TypeAlias = "tuple[dict[str, ParameterSpec], bool] | None"

_CLICKS = ("click.", "rich_click.", "asyncclick.")
_COMMANDS = frozenset({"command", "group", "Command", "Group"})
_DECLARES = frozenset({"option", "argument", "Option", "Argument", "password_option", "confirmation_option"})
_TYPES = {"INT": "int", "FLOAT": "float", "IntRange": "int", "FloatRange": "float"}
_HARMLESS = frozenset(
    {"pass_context", "pass_obj", "version_option", "help_option", "make_pass_decorator", "result_callback"}
)


def read_click(sources: Sources) -> Read:
    """Return what the script's click commands take, and whether there may be more; None when it has no command."""
    found: dict[str, ParameterSpec] = {}
    commands = False
    more = False
    for module in sources.modules():
        for call in module.calls():
            name = _click_name(module, call.func)
            commands |= name in _COMMANDS
            if name in _DECLARES:
                spec = _declared(module, call, name, module is sources.script)
                more |= spec is None
                if spec is not None:
                    found[spec.name] = spec.beside(found.get(spec.name))
        for function in _functions(module):
            names = [_click_name(module, _undone(one)) for one in function.decorator_list]
            if any(names):
                commands |= bool(_COMMANDS.intersection(names))
                more |= any(_is_strange(sources, module, one) for one in function.decorator_list)
    return (found, more) if commands else None


def _click_name(module: Module, node: ast.expr) -> str:
    """Return ``option`` for ``click.option`` under whatever name it is imported; empty for what is not click's."""
    origin = module.origin(node)
    prefix = next((one for one in _CLICKS if origin.startswith(one)), None)
    return origin.removeprefix(prefix).rpartition(".")[2] if prefix is not None else ""


def _functions(module: Module) -> Iterator[Function]:
    return (node for node in module.nodes() if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _undone(decorator: ast.expr) -> ast.expr:
    return decorator.func if isinstance(decorator, ast.Call) else decorator


def _is_strange(sources: Sources, module: Module, decorator: ast.expr) -> bool:
    """Whether a decorator of a command comes from code that is not read: it may add options."""
    function = _undone(decorator)
    name = _click_name(module, function)
    if name in _COMMANDS | _DECLARES | _HARMLESS:
        return False
    if isinstance(function, ast.Attribute) and function.attr in _COMMANDS | _HARMLESS:
        return False
    origin = module.origin(function)
    root = origin.split(".")[0]
    standard = root in {"functools", "contextlib", "staticmethod", "classmethod"}
    return not standard and not sources.is_local(module, origin)


def _declared(module: Module, call: ast.Call, name: str, in_script: bool) -> ParameterSpec | None:  # noqa: FBT001  # a yes or no of its own
    arguments = call.args
    if name in {"Option", "Argument"} and arguments and isinstance(arguments[0], ast.List | ast.Tuple):
        arguments = arguments[0].elts
    texts = [argument.value if isinstance(argument, ast.Constant) else None for argument in arguments]
    declared = [text for text in texts if isinstance(text, str)]
    if len(declared) != len(texts) or not declared or any(word.arg is None for word in call.keywords):
        return None
    own, aliases = _names(declared)
    keywords = {word.arg: word.value for word in call.keywords}
    flag = (
        "is_flag" in keywords
        or "flag_value" in keywords
        or "count" in keywords
        or any("/" in text for text in declared)
    )
    line = call.lineno if in_script else 0
    default = _value(keywords.get("default"))
    kind = "flag" if flag else _kind_of_option(module, keywords, default)
    choices, ignores_case = _choices(module, keywords.get("type"))
    once = "option" in name.lower() and "multiple" not in keywords
    options = (
        tuple(part.strip() for text in declared if not text.isidentifier() for part in text.split("/")) if once else ()
    )
    return ParameterSpec(own, default, kind, line, aliases, choices, ignores_case, options)


def _kind_of_option(module: Module, keywords: Mapping[str | None, ast.expr], default: Value) -> str:
    """Return the type that click gives to an option: the one that is written, else that of its default."""
    if "cls" in keywords:
        return ""
    written = keywords.get("type")
    if written is not None:
        return _TYPES.get(_click_name(module, _undone(written)), "") or _kind(written)
    whole = type(default) in {int, float} and not {"multiple", "nargs"} & set(keywords)
    return type(default).__name__ if whole else ""


def _choices(module: Module, node: ast.expr | None) -> tuple[tuple[Value, ...], bool]:
    """Return what ``click.Choice([…])`` lists, and whether case makes no difference to it."""
    if not isinstance(node, ast.Call) or _click_name(module, node.func) != "Choice" or len(node.args) != 1:
        return (), False
    values = _value(node.args[0]) if isinstance(node.args[0], ast.List | ast.Tuple) else None
    exact = all(word.arg == "case_sensitive" and _value(word.value) is True for word in node.keywords)
    return tuple(str(one) for one in values) if isinstance(values, list) else (), not exact


def _names(declared: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Return the name that click gives to a parameter, and the others by which it may be given.

    A name without dashes counts; else the first of the options with the longest prefix (``--lr`` before ``-l``).
    """
    options = [part.strip() for text in declared if not text.isidentifier() for part in text.split("/")]
    primary = [text.split("/")[0].strip() for text in declared if not text.isidentifier()]
    named = [text for text in declared if text.isidentifier()]
    longest = sorted(primary, key=lambda text: -(len(text) - len(text.lstrip("-+/"))))
    own = named[0] if named else longest[0].lstrip("-+/").replace("-", "_").lower()
    return own, tuple(alias for text in options if (alias := text.lstrip("-+/")) and alias != own)


def read_typer(sources: Sources) -> Read:
    """Return what the script's typer commands take, and whether there may be more; None when it has no typer app."""
    found: dict[str, ParameterSpec] = {}
    uses = False
    more = False
    for module in sources.modules():
        for call in module.calls():
            origin = module.origin(call.func)
            uses |= origin in {"typer.run", "typer.Typer"}
            handed = _handed_on(module, call, origin)
            more |= handed is not None and not sources.is_local(module, handed) and handed not in _assigned(module)
        for function in _commands(module):
            for spec in _parameters(module, function, module is sources.script):
                found[spec.name] = spec.beside(found.get(spec.name))
    return (found, more) if uses else None


def _handed_on(module: Module, call: ast.Call, origin: str) -> str | None:
    """Return the name of the function or app that ``typer.run(f)`` or ``app.add_typer(other)`` is about."""
    if call.args and (
        origin == "typer.run" or (isinstance(call.func, ast.Attribute) and call.func.attr == "add_typer")
    ):
        return module.origin(call.args[0])
    return None


def _assigned(module: Module) -> set[str]:
    return {node.id for node in module.nodes() if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def _commands(module: Module) -> Iterator[Function]:
    """Yield the functions that are commands or callbacks: decorated, or passed to ``typer.run`` or ``app.command()``."""
    passed: set[str] = set()
    for call in module.calls():
        makes = isinstance(call.func, ast.Call) and _registers(call.func.func)
        if makes or module.origin(call.func) == "typer.run":
            passed |= {argument.id for argument in call.args if isinstance(argument, ast.Name)}
    for function in module.tree.body:
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            decorated = any(_registers(_undone(one)) for one in function.decorator_list)
            if (decorated and function in module.reached) or function.name in passed:
                yield function


def _registers(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in {"command", "callback"}


def _parameters(module: Module, function: Function, in_script: bool) -> Iterator[ParameterSpec]:  # noqa: FBT001  # as above
    arguments = [*function.args.posonlyargs, *function.args.args]
    defaults: list[ast.expr | None] = [None] * (len(arguments) - len(function.args.defaults))
    pairs = [
        *zip(arguments, [*defaults, *function.args.defaults], strict=True),
        *zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True),
    ]
    for argument, default in pairs:
        annotation, declared = _annotation(module, argument.annotation)
        if module.origin(annotation).endswith("Context") if annotation is not None else False:
            continue
        if isinstance(default, ast.Call) and module.origin(default.func).startswith("typer."):
            declared, default = default, default.args[0] if default.args else _keyword(default, "default")  # noqa: PLW2901
        texts = [one.value for one in declared.args if isinstance(one, ast.Constant)] if declared is not None else []
        aliases = [part for text in texts if isinstance(text, str) and text.startswith("-") for part in text.split("/")]
        names = tuple(name for one in aliases if (name := one.strip().lstrip("-")) and name != argument.arg)
        own_type = declared is not None and any(word.arg in {"parser", "click_type"} for word in declared.keywords)
        kind = "" if own_type else _kind(annotation)
        options = _typer_options(module, argument.arg, aliases, declared, kind) if default is not None else ()
        line = argument.lineno if in_script else 0
        yield ParameterSpec(argument.arg, _value(default), kind, line, names, options=options)


def _typer_options(
    module: Module, name: str, aliases: Sequence[str], declared: ast.Call | None, kind: str
) -> tuple[str, ...]:
    """Return how typer has a parameter with a default given on the command line, where it may be given once."""
    if not kind or (declared is not None and module.origin(declared.func).endswith("Argument")):
        return ()
    if aliases:
        return tuple(one.strip() for one in aliases)
    option = name.replace("_", "-")
    return (f"--{option}", f"--no-{option}") if kind == "bool" else (f"--{option}",)


def _annotation(module: Module, node: ast.expr | None) -> tuple[ast.expr | None, ast.Call | None]:
    """Return the type and the ``typer.Option(…)`` of an annotation, ``Annotated`` or not."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            node = ast.parse(node.value, mode="eval").body
        except SyntaxError:
            return None, None
    if (
        isinstance(node, ast.Subscript)
        and module.origin(node.value).endswith("Annotated")
        and isinstance(node.slice, ast.Tuple)
    ):
        first, *rest = node.slice.elts
        calls = [one for one in rest if isinstance(one, ast.Call) and module.origin(one.func).startswith("typer.")]
        return first, calls[0] if calls else None
    return node, None


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((word.value for word in call.keywords if word.arg == name), None)


def _kind(node: ast.expr | None) -> str:
    return node.id if isinstance(node, ast.Name) and node.id in {"int", "float", "str", "bool"} else ""


def _value(node: ast.expr | None) -> Value:
    if node is None:
        return None
    try:
        return plain(literal(node))
    except (NotLiteralError, Unwritable):
        return None
