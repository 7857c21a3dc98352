"""`.gtrack/stages.yaml`: which version of a model shall be in which stage, as it is proposed in pull requests.

::

    churn:
      production:
        version: v5.0.0
        reason: f1 0.91, was 0.88
      staging:
        version: null     # nothing

A version is a semantic version or its number; ``null`` means that the stage shall be empty. What the file does not name is as
the tags say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gtrack.errors import FormatError, nearest
from gtrack.formats.yamlio import Key, Plain, dumps, load_mapping, outline

if TYPE_CHECKING:
    from gtrack.records import Value

FILE = "stages.yaml"
HEADER = """\
# Which version of a model shall be in which stage. To propose a change: gtrack promote MODEL STAGE --propose, and a pull request
# with this file. 'gtrack promote --check' judges what is changed here; after the merge 'gtrack promote --apply' makes the tags.
"""

_PATH = ("model", "stage", "field")
_FIELDS = ("version", "reason")
_VERSION = re.compile(r"[1-9][0-9]*\Z|v[0-9]+\.[0-9]+\.[0-9]+(?:[-+][0-9A-Za-z.+-]*)?\Z", re.ASCII)


@dataclass(frozen=True)
class Wanted:
    """What one entry asks for.

    Attributes:
        model: the model.
        stage: the stage.
        version: ``v5.0.0`` or ``5``; None: the stage shall be empty.
        reason: why.
        line: where it stands, from 1 on; 0 when it does not yet.
    """

    model: str
    stage: str
    version: str | None
    reason: str | None = None
    line: int = field(default=0, compare=False)

    @property
    def place(self) -> tuple[str, str]:
        """The model and the stage, of which there is one entry."""
        return self.model, self.stage


def parse_stages(data: bytes, where: str) -> list[Wanted]:
    """Return the entries of the file, in their order. Whether models and stages can be called so is not looked at.

    Args:
        data: the file.
        where: what it is called in messages.

    Raises:
        FormatError: it is no YAML, something stands there twice, a key is unknown, or a value is of the wrong kind; the message
            has the line.
    """
    found = load_mapping(data, where)
    keys = outline(data, where, len(_PATH))
    lines: dict[tuple[str, ...], int] = {}
    for key in keys:
        if key.path in lines:
            raise FormatError(
                f"{where}, line {key.line}: {'.'.join(key.path)} stands in line {lines[key.path]} already. Keep one of the two."
            )
        lines[key.path] = key.line
    entries = []
    for model, stages in found.items():
        for stage, said in _mapping(stages, where, lines, (model,), "stages").items():
            fields = _mapping(said, where, lines, (model, stage), "its version and reason")
            entries.append(_entry(model, stage, fields, where, lines))
    return entries


def _mapping(
    value: Value, where: str, lines: dict[tuple[str, ...], int], path: tuple[str, ...], of: str
) -> dict[str, Value]:
    if not isinstance(value, dict):
        raise FormatError(
            f"{where}, line {lines.get(path, 1)}: {'.'.join(path)} must be a mapping with {of}, not {value!r}."
        )
    return value


def _entry(model: str, stage: str, fields: dict[str, Value], where: str, lines: dict[tuple[str, ...], int]) -> Wanted:
    at = lines.get((model, stage), 1)
    for key in fields:
        if key not in _FIELDS:
            line = lines.get((model, stage, key), at)
            raise FormatError(
                f"{where}, line {line}: {model}.{stage} has an unknown key {key!r}.{nearest(key, _FIELDS)} "
                f"Known: {', '.join(_FIELDS)}."
            )
    if "version" not in fields:
        raise FormatError(
            f"{where}, line {at}: {model}.{stage} has no version. Give one, or null when the stage shall be empty."
        )
    version, reason = fields["version"], fields.get("reason")
    said = str(version) if isinstance(version, int) and not isinstance(version, bool) else version
    if said is not None and (not isinstance(said, str) or not _VERSION.match(said)):
        line = lines.get((model, stage, "version"), at)
        raise FormatError(
            f"{where}, line {line}: the version of {model}.{stage} must be such as v5.0.0 or 5, or null, not {version!r}."
        )
    if reason is not None and not isinstance(reason, str):
        line = lines.get((model, stage, "reason"), at)
        raise FormatError(f"{where}, line {line}: the reason of {model}.{stage} must be text, not {reason!r}.")
    return Wanted(model, stage, said, (reason or "").strip() or None, at)


def with_entry(data: bytes, where: str, entry: Wanted) -> bytes:
    """Return the file with an entry, in place of the one for its model and stage. All else stays as it stands, comments too.

    Args:
        data: the file; empty when there is none.
        where: what it is called in messages.
        entry: what it shall say.

    Raises:
        FormatError: as ``parse_stages``.
    """
    before = parse_stages(data, where)
    if entry in before:
        return data
    after = _with(before, entry)
    if data.strip():
        text = _edited(data.decode(), outline(data, where, len(_PATH)), entry).encode()
        if _says(text, after):
            return text
    return (HEADER + dumps(_nested(after))).encode()


def _with(before: Sequence[Wanted], entry: Wanted) -> list[Wanted]:
    if any(one.place == entry.place for one in before):
        return [entry if one.place == entry.place else one for one in before]
    at = max((number for number, one in enumerate(before, 1) if one.model == entry.model), default=len(before))
    return [*before[:at], entry, *before[at:]]


def _says(text: bytes, entries: Sequence[Wanted]) -> bool:
    try:
        return parse_stages(text, "") == list(entries)
    except FormatError:
        return False


def _edited(text: str, keys: Sequence[Key], entry: Wanted) -> str:
    """Return the text with the lines of one entry put in; where the file is written in another style it comes out wrong."""
    lines = text.split("\n")
    if lines[-1]:
        lines.append("")
    by_path = {key.path: key for key in keys}
    there, model = by_path.get(entry.place), by_path.get((entry.model,))
    body = _nested([entry])[entry.model]
    if there is not None:
        lines[there.line - 1 : there.last] = _block(body, there.column)
    elif model is not None:
        column = next((key.column for key in keys if key.path[0] == entry.model and len(key.path) > 1), 2)
        lines[model.last : model.last] = _block(body, column)
    else:
        lines[-1:] = [*_block({entry.model: body}, 0), ""]
    return "\n".join(lines)


def _block(mapping: Mapping[str, Plain], column: int) -> list[str]:
    return [f"{' ' * column}{line}" if line else "" for line in dumps(mapping).rstrip("\n").split("\n")]


def _nested(entries: Iterable[Wanted]) -> dict[str, dict[str, Value]]:
    found: dict[str, dict[str, Value]] = {}
    for one in entries:
        said: dict[str, Value] = {"version": one.version}
        found.setdefault(one.model, {})[one.stage] = {**said, "reason": one.reason} if one.reason else said
    return found


def differing(before: Sequence[Wanted], after: Sequence[Wanted]) -> list[Wanted]:
    """Return the entries of ``after`` that are new or say something else than in ``before``."""
    known = set(before)
    return [one for one in after if one not in known]


def dropped(before: Sequence[Wanted], after: Sequence[Wanted]) -> list[Wanted]:
    """Return the entries of ``before`` whose model and stage ``after`` no longer names."""
    known = {one.place for one in after}
    return [one for one in before if one.place not in known]
