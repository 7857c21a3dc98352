"""The words of a command line that make an argparse parser take a given value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gtrack.launch.literals import Unwritable, plain
from gtrack.launch.options import Given, same_name, word
from gtrack.records import Value

if TYPE_CHECKING:
    from argparse import Action, ArgumentParser

SUBCOMMAND = "A..."
"""``nargs`` of the positional that takes a subcommand and all that follows it (``argparse.PARSER``)."""


@dataclass
class Words:
    """What stands for one given value.

    Attributes:
        parsed: for the parser.
        shown: for ``sys.argv``; the same but for a positional, which is passed as an option for the time of the parse.
        greedy: whether the words would swallow positionals that follow them.
        subcommand: whether they name a subcommand, which comes after all of the parser's own.
        positional: the positional action, when it is one.
    """

    parsed: list[str]
    shown: list[str] = field(default_factory=list)
    greedy: bool = False
    subcommand: bool = False
    positional: Action | None = None

    def __post_init__(self) -> None:
        self.shown = self.shown or self.parsed


def names(parser: ArgumentParser) -> Iterator[str]:
    """Yield the names by which the parser's arguments may be given, those of its subcommands too."""
    for action in parser._actions:  # noqa: SLF001  # argparse has no other way to ask what a parser knows
        if _is_parameter(action):
            yield action.dest
            yield from (text for text in action.option_strings if text.startswith("--"))
        choices = action.choices
        if action.nargs == SUBCOMMAND and isinstance(choices, dict):
            for nested in choices.values():
                yield from names(nested)


def _is_parameter(action: Action) -> bool:
    """Whether an action leaves a value behind; ``--help`` and ``--version`` end the program."""
    return action.dest != "==SUPPRESS==" and type(action).__name__ not in {"_HelpAction", "_VersionAction"}


def matching(parser: ArgumentParser, name: str) -> list[Action]:
    """Return the actions of this parser, not of its subcommands, that ``name`` means: by destination, else by option."""
    actions = [action for action in parser._actions if _is_parameter(action)]  # noqa: SLF001  # see names
    own = [action for action in actions if same_name(name, action.dest)]
    return own or [action for action in actions if any(same_name(name, text) for text in action.option_strings)]


def has_subcommands(parser: ArgumentParser) -> bool:
    """Whether what follows the parser's own arguments belongs to somebody else."""
    return any(action.nargs in {SUBCOMMAND, "..."} for action in parser._actions)  # noqa: SLF001  # see names


def words_for(parser: ArgumentParser, actions: Sequence[Action], name: str, given: Given) -> Words:
    """Return the words for the given value ``name``, which ``actions`` of ``parser`` take.

    A value that no word can express (``null`` for an option that has another default) is refused, exit code 2.
    """
    value = given.values[name]
    default = parser.get_default(actions[0].dest)
    if value is None:
        if default is not None:
            given.refuse_value(name, f"an option takes text, and its default is {default!r}.")
        return Words([])
    if all(action.nargs == 0 for action in actions):
        return Words(_flag(actions, name, given, default))
    action = next(action for action in actions if action.nargs != 0)
    if action.option_strings:
        return _option(action, _longest(action), name, given)
    plain_words = _words(action, value, given.texts.get(name))
    if action.nargs == SUBCOMMAND:
        return Words(plain_words, subcommand=True)
    made = _option(action, stand_in(parser, action), name, given)
    return Words(made.parsed, plain_words, greedy=made.greedy, positional=action)


def stand_in(parser: ArgumentParser, action: Action) -> str:
    """Return the option that a positional becomes while it is given by name; error messages show it."""
    prefix = parser.prefix_chars[0] * 2
    option = prefix + action.dest
    while option in parser._option_string_actions:  # noqa: SLF001  # see names
        option += "_"
    return option


def _longest(action: Action) -> str:
    """Return the option to write; the first of the long ones, which for ``--x / --no-x`` is the positive one."""
    long = [text for text in action.option_strings if text[:2] in {"--", "++", "//"}]
    return (long or list(action.option_strings))[0]


def _flag(actions: Sequence[Action], name: str, given: Given, default: object) -> list[str]:
    value = given.values[name]
    kind = type(actions[0]).__name__
    if kind == "_CountAction" and isinstance(value, int):
        more = value - (default if isinstance(default, int) else 0)
        if more < 0:
            given.refuse_value(name, f"it is counted up from {default!r}.")
        return [_longest(actions[0])] * more
    if kind == "_AppendConstAction" and isinstance(value, list):
        return [_longest(_with_const(actions, element) or actions[0]) for element in value]
    if kind == "BooleanOptionalAction" and isinstance(value, bool):
        negative = [text for text in actions[0].option_strings if text.startswith("--no-")]
        return [_longest(actions[0]) if value else negative[0]]
    by_option = not same_name(name, actions[0].dest)
    if by_option and isinstance(value, bool):
        return [_longest(actions[0])] if value else []
    if isinstance(actions[0].const, bool) and type(value) is int and value in {0, 1}:
        value = bool(value)
    action = _with_const(actions, value)
    if action is not None:
        return [_longest(action)]
    if _same(default, value) or (value is False and actions[0].const is None):
        return []
    if value is True and len(actions) == 1 and not isinstance(actions[0].const, bool):
        return [_longest(actions[0])]
    choices = ", ".join(f"{action.option_strings[0]} makes it {action.const!r}" for action in actions)
    return given.refuse_value(name, f"its default is {default!r}, and {choices}.")


def _with_const(actions: Sequence[Action], value: Value) -> Action | None:
    return next((action for action in actions if action.const is not None and _same(action.const, value)), None)


def _same(own: object, value: Value) -> bool:
    try:
        written = plain(own)
    except Unwritable:
        return False
    return written == value and isinstance(written, bool) == isinstance(value, bool)


def _option(action: Action, option: str, name: str, given: Given) -> Words:
    value, text = given.values[name], given.texts.get(name)
    if type(action).__name__ == "_AppendAction" and isinstance(value, list):
        per_use = [_words(action, element, None) for element in value]
    else:
        per_use = [_words(action, value, text)]
    made: list[str] = []
    greedy = False
    for plain_words in per_use:
        # One word behind `=` is never taken for an option and swallows nothing after it.
        single = len(plain_words) == 1 and action.nargs != 1
        made += [f"{option}={plain_words[0]}"] if single else [option, *plain_words]
        greedy = not single and not isinstance(action.nargs, int)
    return Words(made, greedy=greedy)


def _words(action: Action, value: Value, text: str | None) -> list[str]:
    if action.nargs is None or action.nargs in {"?", SUBCOMMAND}:
        return [_word(action, value, text)]
    if isinstance(value, list):
        return [_word(action, element, None) for element in value]
    return [_word(action, value, text)]


def _word(action: Action, value: Value, text: str | None) -> str:
    if action.type is bool and value is False:
        return ""  # bool("False") is true: the one word that this type takes for false is none at all
    if action.type is int and isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bool) and action.choices is not None and text is None:
        return next((str(one) for one in action.choices if str(one).lower() == str(value).lower()), str(value))
    return word(value, text)
