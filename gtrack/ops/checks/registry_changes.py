"""Compare the registry with its last known state, and find the tags that are missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from gtrack.errors import FormatError
from gtrack.ops.checks.findings import CHANGED, GONE, Finding, Severity, error, note
from gtrack.ops.checks.known_state import KnownState, read_state, write_state
from gtrack.ops.checks.tag_claims import read_head
from gtrack.registry.published import seen
from gtrack.registry.tag_names import model_in_tag, parse

if TYPE_CHECKING:
    from gtrack.git.tags import Tag
    from gtrack.project import Project
    from gtrack.registry.ledger import Ledger


def counters(tags: Iterable[Tag]) -> dict[str, dict[int, list[str]]]:
    """Return model to counter to the tags that have it."""
    found: dict[str, dict[int, list[str]]] = {}
    for tag in tags:
        said = parse(tag.name)
        if said is not None and said.counter is not None:
            found.setdefault(said.model, {}).setdefault(said.counter, []).append(tag.name)
    return found


def gaps(ledger: Ledger, state: Known, *, accept: bool) -> Iterator[Finding]:
    """Find counters that no tag has although a higher one is there."""
    for model, numbers in counters(ledger.tags).items():
        last = 0
        for number in sorted(numbers):
            if number > last + 1:
                told = str(last + 1) if number == last + 2 else f"{last + 1}-{number - 1}"
                yield from state.gap(model, told, accept=accept)
            last = number


class Known:
    """The last known state beside the present one.

    Args:
        project: the repository.
        ledger: what its tags say now.

    Attributes:
        known: what was known; None when nothing was, or it cannot be read.
    """

    def __init__(self, project: Project, ledger: Ledger) -> None:
        self._repo = project.repo
        self._now = {tag.name: tag.oid for tag in ledger.tags if parse(tag.name) is not None}
        self._missing: set[str] = set()
        self._gone: set[str] = set()
        self._moved: set[str] = set()
        self._damaged: Finding | None = None
        self.known: KnownState | None = None
        try:
            self.known = read_state(self._repo)
        except FormatError as damage:
            self._damaged = error("registry-state", f"what was known cannot be read: {damage}", CHANGED)
        except OSError as refusal:
            self._damaged = note("registry-state", f"what was known cannot be read: {refusal.strerror}")

    def compare(self, *, accept: bool) -> Iterator[Finding]:
        """Find what was changed or taken away since; with ``accept`` that is a note."""
        severity = Severity.NOTE if accept else Severity.ERROR
        if self._damaged is not None and not (accept and self._damaged.severity is Severity.ERROR):
            yield self._damaged
        known = self.known.tags if self.known is not None else {}
        moved = self._renumbered({name: oid for name, oid in known.items() if self._now.get(name, oid) != oid})
        own = self._never_published({name: oid for name, oid in known.items() if name not in moved})
        for name, oid in known.items():
            now = self._now.get(name)
            if now == oid:
                continue
            if name in own:
                yield note(
                    name, f"it was only here (as {oid[:10]}), and {own[name]}, which a remote has, took its place"
                )
            elif name in moved:
                yield note(name, f"what it was is {moved[name]} now, as somebody else had published this name first")
            elif now is None:
                self._gone.add(name)
                yield Finding(severity, name, f"it was removed since the last look (it was {oid[:10]})", GONE)
            else:
                yield Finding(
                    severity, name, f"it was changed since the last look: {oid[:10]} then, {now[:10]} now", CHANGED
                )
        self._moved = {*moved, *own}

    def _renumbered(self, lost: Mapping[str, str]) -> dict[str, str]:
        """Return those of ``lost`` that are there under another number, of the same people and times, as publishing does it."""
        if not lost:
            return {}
        names = list(self._now)
        marks: dict[tuple[str, ...], str] = {}
        for name, found in zip(names, self._repo.objects.many([self._now[name] for name in names]), strict=True):
            if found is not None and self.known is not None and name not in self.known.tags:
                marks[_mark(name, found.data)] = name
        there = {}
        for name, found in zip(lost, self._repo.objects.many(list(lost.values())), strict=True):
            if found is not None and _mark(name, found.data) in marks:
                there[name] = marks[_mark(name, found.data)]
        return there

    def _never_published(self, known: Mapping[str, str]) -> dict[str, str]:
        """Return those of ``known`` that were only here, to the tag of a remote that has their name, or their counter, now."""
        published = seen(self._repo)
        there = {name: oid for name, oid in self._now.items() if oid in published}
        numbered = {
            (said.model, said.counter): name for name in there if (said := parse(name)) and said.counter is not None
        }
        found = {}
        for name, oid in known.items():
            said, now = parse(name), self._now.get(name)
            if oid in published or now == oid or said is None:
                continue
            if name in there:
                found[name] = name
            elif now is None and said.counter is not None and (said.model, said.counter) in numbered:
                found[name] = numbered[said.model, said.counter]
        return found

    def gap(self, model: str, numbers: str, *, accept: bool) -> Iterator[Finding]:
        """Tell of counters that are missing, unless that was accepted, or told already as a tag that was removed."""
        name = f"{model_in_tag(model)}#{numbers}"
        accepted = self.known is not None and name in self.known.missing
        if accept or accepted:
            self._missing.add(name)
            return
        if not any(
            (said := parse(gone)) and said.model == model and str(said.counter) == numbers for gone in self._gone
        ):
            what = (
                f"tags are missing: none has the counters {numbers}"
                if "-" in numbers
                else f"a tag is missing: number {numbers}"
            )
            yield error(model, what, GONE)

    def keep(self, *, accept: bool) -> Iterator[Finding]:
        """Remember what is there now; what was changed or removed stays known as it was, unless it is accepted."""
        if self._damaged is not None and not accept:
            return
        before = dict(self.known.tags) if self.known is not None and not accept else {}
        for name in self._moved:
            before.pop(name, None)
        state = KnownState({**self._now, **before}, frozenset(self._missing))
        if state == self.known:
            return
        try:
            write_state(self._repo, state)
        except OSError as refusal:
            yield note("registry-state", f"what is here now cannot be remembered: {refusal.strerror or refusal}")


def _mark(name: str, data: bytes) -> tuple[str, ...]:
    """Return what stays when a tag is published under another number: what it does, on which commit, by whom and when."""
    said, head = parse(name), read_head(data)
    target = data.partition(b"\n")[0].decode(errors="replace")
    return (str(said.action), said.model, said.stage or "", target, head.tagger) if said and head else (name,)
