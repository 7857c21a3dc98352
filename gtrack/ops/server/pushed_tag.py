"""Judge a registry tag that somebody pushes: whether it is what it says, and whether the policy of the server would have it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gtrack.errors import ConfigError, FormatError, GTrackError
from gtrack.formats import run_dir
from gtrack.formats.yamlio import MAX_BYTES
from gtrack.git.objects import Identity
from gtrack.git.signing import Signature, verify
from gtrack.git.tags import Tag, read_tags
from gtrack.ops.checks.tag_claims import disagreement, holdings, missing_artifacts, read_head, said_in
from gtrack.ops.checks.tag_judgement import before_it, evidence_in, judge_tag, judge_tag_leaving, passed_over
from gtrack.ops.model_history import UNSIGNED
from gtrack.records import RegisteredModel
from gtrack.registry import messages
from gtrack.registry.ledger import Event, Ledger, stage_of
from gtrack.registry.policy import unmet
from gtrack.registry.reader import RegistryReader
from gtrack.registry.tag_names import Action, TagName, check_version, parse
from gtrack.store.index import Index
from gtrack.store.live import LiveStore
from gtrack.store.runs import RunStore

if TYPE_CHECKING:
    from gtrack.git.repo import Repository
    from gtrack.ops.server.settings import ServerSettings
    from gtrack.records import ModelVersion
    from gtrack.registry.policy import Verdict
    from gtrack.registry.stage_policy import StagePolicy
    from gtrack.store.branch import Location

_LARGEST_TAG = 64 * 1024
_FARTHEST = 1000
# Control characters (but tab and the ends of lines) and marks that reorder text: they are for the terminals of others.
_HOSTILE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_READ = {run_dir.RUN, run_dir.PARAMS, run_dir.METRICS, run_dir.INPUTS}
QUICKER = "somebody was quicker"


class Refused(GTrackError):
    """A push, or one ref of it, may not be; nothing of that ref was changed."""


class PushedTag:
    """A registry tag that is to be made.

    Args:
        repo: the repository that is pushed to.
        settings: those of its default branch.
        name: the name of the tag.
        said: what that says.
        oid: what it is to be at.
    """

    def __init__(self, repo: Repository, settings: ServerSettings, name: str, said: TagName, oid: str) -> None:
        self._repo = repo
        self._settings = settings
        self._name = name
        self._said = said
        self._oid = oid
        store = RunStore(repo, settings.config, lambda: Identity("gtrack", ""))
        rules = settings.rules
        exclusive = {stage for stage, policy in rules.stages.items() if policy.exclusive}
        self._reader = RegistryReader(repo, store, settings.config.branch, exclusive)
        index = Index(repo, settings.config.ref, LiveStore([]), store.tip)
        self._evidence = evidence_in(repo, index, own_branches=True)

    def check(self) -> None:
        """Check it.

        Raises:
            Refused: it may not be made.
            GitError: git cannot tell.
        """
        try:
            tag = self._tag()
            before = self._reader.ledger(self._said.model)
            self._check_counter(before)
            ordered = self._known(tag, before)
            after = self._reader.folded([*ordered, tag])
            event = self._event(tag, before, after)
            version = self._version(event, after)
            self._check_run(event, version)
            self._check_others(before, after)
            with self._settings.signers() as signers:
                for act, policy, verdicts in self._judged(event, before, after, signers):
                    self._settle(act, policy, verdicts)
        except (FormatError, ConfigError) as error:
            raise self._refused(str(error)) from error

    def _refused(self, why: str, advice: str = "") -> Refused:
        return Refused(f"The tag {self._name} is refused: {why}.{f' {advice}' if advice else ''}")

    # The tag by itself

    def _tag(self) -> Tag:
        """Return the tag, which is as git makes it, called as it is pushed, and harmless."""
        if str(self._said) != self._name:
            raise self._refused(f"its number is written as in {self._said}")
        facts = self._repo.run("cat-file", "--batch-check", stdin=f"{self._oid}\n".encode()).decode().split()
        if len(facts) != 3 or facts[1] != "tag":
            raise self._refused(
                "it is a lightweight tag, which says neither who made it nor why", "Make it by git tag -a."
            )
        if int(facts[2]) > _LARGEST_TAG:
            raise self._refused(f"it has {int(facts[2]):,} bytes; {_LARGEST_TAG:,} is the limit")
        found = self._repo.objects.get(self._oid)
        data = found.data if found is not None else b""
        head = read_head(data)
        if head is None or not head.plain or not head.tagger:
            raise self._refused("its tag object is not as git writes them")
        if _HOSTILE.search(data.decode(errors="replace")):
            raise self._refused("it has control characters")
        if head.name != self._name:
            raise self._refused(
                f"its tag object says that it is the tag {head.name!r}", "A tag cannot be given another name."
            )
        return read_tags(self._repo, {self._name: self._oid})[0]

    def _check_counter(self, before: Ledger) -> None:
        """Check that the tag comes after those that are there: the order of counters is the order in which things were done."""
        number, again = (
            self._said.counter,
            "Fetch and do it again: 'gtrack promote … --push' takes the next number by itself.",
        )
        taken, highest_alike = None, None
        for tag in before.tags:
            one = parse(tag.name)
            if one is None or one.model != self._said.model or one.counter is None:
                continue
            taken = tag.name if one.counter == number else taken
            if self._alike(one) and one.counter > (number or 0):
                highest_alike = tag.name
        if taken is not None:
            raise self._refused(f"{QUICKER}, number {number} of {self._said.model} is that of {taken}", again)
        if highest_alike is not None:
            raise self._refused(f"{QUICKER}, and {highest_alike} would count as done after it", again)
        if number is not None and number > before.counters.get(self._said.model, 0) + _FARTHEST:
            raise self._refused(
                f"number {number} is far from {before.counters.get(self._said.model, 0)}, the highest", again
            )

    def _alike(self, other: TagName) -> bool:
        mine = self._said
        if mine.stage is not None:
            return other.stage is not None and stage_of(other.stage) == stage_of(mine.stage)
        return mine.version is not None and other.version == mine.version

    # The tag among the others

    def _known(self, tag: Tag, before: Ledger) -> list[Tag]:
        """Return the tags that are there, and the one that registers what is promoted, when that comes with the same push.

        The hook sees one ref at a time: with ``git push --atomic`` none of the others is there yet.
        """
        model = before.models.get(self._said.model, RegisteredModel(self._said.model))
        versions = [*model.versions, *model.withdrawn]
        if self._said.action is not Action.ASSIGN or any(one.commit == tag.target for one in versions):
            return list(before.tags)
        run_id = self._run_of(tag)
        if run_id is None:
            raise self._refused(
                f"no version of {model.name} is registered on its commit {tag.target[:10]}, which is that of no run",
                "Register it first: gtrack register.",
            )
        wanted = tag.message.partition("\n")[0].replace("'", "").split()[-1:]
        semver = _semver(wanted[0] if wanted else "") or f"v{max((one.version for one in versions), default=0) + 1}.0.0"
        register = str(TagName(Action.REGISTER, model.name, semver))
        taken = next((one for one in versions if one.semver == semver), None)
        if taken is not None:
            raise self._refused(f"{QUICKER}, {semver} of {model.name} is on another commit", "Fetch and promote again.")
        return [*before.tags, Tag(register, "", True, tag.target, "commit", tag.tagger, tag.time, tag.message)]  # noqa: FBT003 - annotated

    def _run_of(self, tag: Tag) -> str | None:
        """Return the run whose commit a tag is on, by the message of the commit."""
        found = self._repo.objects.get(tag.target)
        text = (
            found.data.decode(errors="replace").partition("\n\n")[2]
            if found is not None and found.kind == "commit"
            else ""
        )
        return next(iter(messages.trailers_of(text).get(messages.RUN, ())), None)

    def _event(self, tag: Tag, before: Ledger, after: Ledger) -> Event:
        """Return what the tag says, which makes sense beside the others and takes the sense from none of them."""
        known = set(before.problems)
        new = [one for one in after.problems if one not in known]
        mine = next((one for one in new if one.tag == tag.name), None)
        if mine is not None:
            raise self._refused(mine.text)
        if new:
            raise self._refused(f"beside it {new[0].tag} would make no sense: {new[0].text}")
        found = next((one for one in after.events.get(self._said.model, ()) if one.tag == tag.name), None)
        if found is None:
            raise self._refused("it would change nothing, as it repeats what is registered on another commit")
        commit = self._repo.objects.get(tag.target)
        if commit is None or commit.kind != "commit":
            raise self._refused("what it is on is no commit")
        return found

    def _version(self, event: Event, after: Ledger) -> ModelVersion | None:
        model = after.models[self._said.model]
        return next((one for one in (*model.versions, *model.withdrawn) if one.version == event.version), None)

    def _check_run(self, event: Event, version: ModelVersion | None) -> None:
        """Check that the commit holds the run and the artifact that the tag says it is of."""
        fault = None if version is None else disagreement(event, version)
        if fault is not None:
            raise self._refused(fault)
        run_id = said_in(event, messages.RUN) or (version.run_id if version is not None else None)
        if not run_id:
            return
        if version is not None and version.run_id not in {None, run_id}:
            raise self._refused(
                f"it says that it is of run {run_id[:8]}, and version {version.version} is of {version.run_id}"
            )
        place = (event.commit, run_id)
        holding = holdings(self._repo, [place])[place]
        fault = holding.fault(run_id, event.commit)
        if fault is not None or holding.run is None:
            raise self._refused(fault or f"run {run_id[:8]} is not in its commit")
        artifact = said_in(event, messages.ARTIFACT)
        if artifact and missing_artifacts(self._repo, [(holding.run, artifact)]) == [True]:
            raise self._refused(f"run {run_id[:8]} has no artifact {artifact!r} in its commit {event.commit[:10]}")
        self._check_sizes(holding.run)

    def _check_sizes(self, location: Location) -> None:
        """Check that what is read of the run is no larger than a run's files are: git would give it to us whole."""
        for line in self._repo.run("ls-tree", "-l", "-z", location.tree).decode(errors="replace").split("\0"):
            facts, _, name = line.partition("\t")
            size = facts.split()[-1:] or ["-"]
            if name in _READ and size[0].isdigit() and int(size[0]) > MAX_BYTES:
                raise self._refused(f"{name} of its run is larger than {MAX_BYTES} bytes")

    def _check_others(self, before: Ledger, after: Ledger) -> None:
        """Check that every version that was there keeps its number, its commit and its run."""
        was, now = before.models.get(self._said.model), after.models[self._said.model]
        by_name = {one.semver: one for one in (*now.versions, *now.withdrawn)}
        for one in (*was.versions, *was.withdrawn) if was is not None else ():
            then = by_name.get(one.semver)
            if then is None or (then.version, then.commit, then.run_id) != (one.version, one.commit, one.run_id):
                raise self._refused(f"version {one.version} ({one.semver}) would become another one by it")

    # Policies

    def _judged(
        self, event: Event, before: Ledger, after: Ledger, signers: Path | None
    ) -> Iterator[tuple[Event, StagePolicy, Sequence[Verdict]]]:
        """Give what a policy says of the tag, and of each promotion that it would bring into force."""
        model = before.models.get(self._said.model, RegisteredModel(self._said.model))
        version = next((one for one in (*model.versions, *model.withdrawn) if one.version == event.version), None)
        if event.action in {Action.UNASSIGN, Action.DEREGISTER} and version is not None:
            stages = [event.stage] if event.stage is not None else list(version.stages)
            made = self._signature(event, signers)
            for stage in stages:
                policy = self._rules_of(stage)
                yield event, policy, judge_tag_leaving(policy, event, version, made)
            return
        for act in self._entering(event, before, after):
            about = version if version is not None and act is event else self._version(act, after)
            if act.stage is None or about is None:
                continue
            known = about if about is version else before_it(about)
            policy = self._rules_of(act.stage)
            events = [one for one in before.events.get(self._said.model, ()) if one.tag != act.tag]
            current = model.in_stage(act.stage)
            made = self._signature(act, signers)
            yield act, policy, judge_tag(policy, act, known, made, self._evidence, current=current, events=events)

    def _entering(self, event: Event, before: Ledger, after: Ledger) -> list[Event]:
        """Return the promotions that come into force: the tag itself, or what was waiting for the version that it registers."""
        if event.action is Action.ASSIGN:
            model = after.models[self._said.model]
            one = next((one for one in model.versions if one.version == event.version), None)
            if one is not None and event.stage not in one.stages:
                raise self._refused(f"{QUICKER}, or its time is wrong: others of {event.stage} count as made after it")
            return [event]
        there = _placed(before, self._said.model)
        return [
            next(one for one in reversed(after.events[self._said.model]) if _is_entry(one, *place))
            for place in sorted(_placed(after, self._said.model) - there)
        ]

    def _rules_of(self, stage: str) -> StagePolicy:
        if self._settings.problem is not None:
            raise self._refused(self._settings.problem)
        return self._settings.rules.of(stage)

    def _signature(self, event: Event, signers: Path | None) -> Signature:
        return verify(self._repo, event.oid, signers) if event.signed and event.oid else UNSIGNED

    @staticmethod
    def _settle(event: Event, policy: StagePolicy, verdicts: Sequence[Verdict]) -> None:
        failed = unmet(verdicts)
        if not failed:
            return
        forced = said_in(event, messages.FORCED)
        if forced and policy.force and passed_over(event, failed):
            return
        what = f"{len(failed)} of {len(verdicts)} conditions are" if len(verdicts) > 1 else "its condition is"
        why = f"by the settings of the default branch {what} not met"
        if forced:
            why += ", and the settings do not allow force" if not policy.force else ", and it was forced against others"
        raise Refused(f"The tag {event.tag} is refused: {why}." + "".join(f"\n  {one}" for one in verdicts))


def _semver(text: str) -> str | None:
    try:
        return check_version(text)
    except GTrackError:
        return None


def _placed(ledger: Ledger, name: str) -> set[tuple[str, int]]:
    """Return stage and number of every version that is in a stage."""
    model = ledger.models.get(name)
    return (
        {(stage, number) for stage, numbers in model.stages.items() for number in numbers}
        if model is not None
        else set()
    )


def _is_entry(event: Event, stage: str, number: int) -> bool:
    return event.action is Action.ASSIGN and (event.stage, event.version) == (stage, number)
