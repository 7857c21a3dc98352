"""What was made here is published beside what a remote has: nothing is lost or doubled, and all of it is understood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtrack.errors import GTrackError, VersionExists
from gtrack.git.tags import Tag
from gtrack.records import RegisteredModel
from gtrack.registry import messages
from gtrack.registry.acts import Act
from gtrack.registry.ledger import EXCLUSIVE, fold
from gtrack.registry.plans import Moves
from gtrack.registry.replay import RENUMBERED, Replayed, replay
from gtrack.registry.tag_names import Action, TagName, parse
from tests.registry.conftest import a_tag

STAGES = ("qa", "staging", "team/a")


def again(theirs: Sequence[Tag], ours: Sequence[Tag]) -> list[Replayed]:
    return replay(theirs, fold(theirs), ours, EXCLUSIVE)


def made(replayed: Sequence[Replayed]) -> list[Tag]:
    """Return the tags as they are once they are made."""
    return [replace(one.was, name=one.name, message=one.message, oid=f"new_{one.name}") for one in replayed]


def version(
    semver: str, number: int | None, commit: str, second: int = 0, artifact: str = "model", run: str | None = None
) -> Tag:
    said = [(messages.RUN, run or commit * 32), (messages.ARTIFACT, artifact)]
    said.append((messages.ORDINAL, str(number) if number else ""))
    text = messages.write(f"Registering artifact m version {semver}", said)
    return replace(a_tag(f"m@{semver}", commit, second, text), oid=f"{commit}_{semver}")


def stage(name: str, commit: str, semver: str, number: int, second: int = 0) -> Tag:
    read = parse(name)
    assert read is not None
    text = messages.write(read.subject(semver), [(messages.ORDINAL, str(number)), (messages.REASON, "why")])
    return replace(a_tag(name, commit, second, text), oid=f"{commit}_{name}_{second}")


def names(replayed: Sequence[Replayed]) -> list[str]:
    return [one.name for one in replayed]


def test_what_is_free_stays_as_it_is() -> None:
    ours = [version("v2.0.0", 2, "b"), stage("m#qa#1", "b", "v2.0.0", 2)]
    found = again([version("v1.0.0", 1, "a")], ours)
    assert [one.changed for one in found] == [False, False]
    assert names(found) == ["m@v2.0.0", "m#qa#1"]


def test_a_version_that_lost_its_name_is_the_next_and_takes_along_what_was_done_to_it() -> None:
    theirs = [version("v1.0.0", 1, "a"), stage("m#qa#1", "a", "v1.0.0", 1)]
    taken_back = replace(a_tag("m@v1.0.0!", "b", 3, "Deregistering artifact m version v1.0.0"), oid="x")
    ours = [version("v1.0.0", 1, "b"), stage("m#qa#1", "b", "v1.0.0", 1, 1), stage("m#qa!#2", "b", "v1.0.0", 1, 2)]
    found = again(theirs, [*ours, taken_back])
    assert names(found) == ["m@v2.0.0", "m@v2.0.0!", "m#qa#2", "m#qa!#3"]
    assert found[2].message == (
        "Assigning stage qa to artifact m version v2.0.0\n\nModel-Version: 2\nReason: why\n"
        f"{RENUMBERED}: m#qa#1 {ours[1].oid}\n"
    )
    assert found[1].message == f"Deregistering artifact m version v2.0.0\n\n{RENUMBERED}: m@v1.0.0! x\n"
    assert fold([*theirs, *made(found)]).problems == ()


def test_what_comes_after_a_tag_that_lost_its_counter_stays_after_it() -> None:
    theirs = [version("v1.0.0", 1, "a"), version("v2.0.0", 2, "b"), stage("m#qa#1", "b", "v2.0.0", 2)]
    ours = [stage("m#qa#1", "a", "v1.0.0", 1, 1), stage("m#qa!#2", "a", "v1.0.0", 1, 2)]
    found = again(theirs, ours)
    assert names(found) == ["m#qa#2", "m#qa!#3"]
    assert fold([*theirs, *made(found)]).models["m"].stages == {"qa": (2,)}


def test_a_counter_of_another_stage_is_not_taken_twice() -> None:
    theirs = [version("v1.0.0", 1, "a"), stage("m#production#1", "a", "v1.0.0", 1)]
    assert names(again(theirs, [stage("m#qa#1", "a", "v1.0.0", 1)])) == ["m#qa#2"]


def test_a_version_whose_name_is_free_keeps_it_and_takes_the_next_number() -> None:
    theirs = [version("v1.0.0", 1, "a"), version("v2.0.0", 2, "b")]
    found = again(theirs, [version("v1.1.0", 2, "c"), stage("m#qa#1", "c", "v1.1.0", 2)])
    assert names(found) == ["m@v1.1.0", "m#qa#1"]
    assert all("Model-Version: 3\n" in one.message for one in found)
    assert [one.semver for one in fold([*theirs, *made(found)]).models["m"].versions] == ["v1.0.0", "v2.0.0", "v1.1.0"]


@pytest.mark.parametrize(
    ("lost", "then"), [("v2.0.0", "v4.0.0"), ("v1.1.0", "v3.1.0"), ("v1.0.1", "v3.0.1"), ("v3.0.0", "v4.0.0")]
)
def test_the_part_that_was_raised_is_raised(lost: str, then: str) -> None:
    theirs = [version(lost, 1, "a"), version("v3.0.0", 2, "b")]
    theirs = theirs[:1] if lost == "v3.0.0" else theirs
    assert names(again(theirs, [version(lost, 1, "c")])) == [f"m@{then}"]


def test_the_same_run_is_the_version_that_it_is_there() -> None:
    theirs = [version("v1.0.0", 1, "a"), version("v2.0.0", 2, "b")]
    committed_anew = version("v1.0.0", 1, "c", run="b" * 32)
    found = again(theirs, [committed_anew, stage("m#qa#1", "b", "v1.0.0", 1)])
    assert names(found) == ["m#qa#1"]
    theirs_too = again(theirs, [version("v1.0.0", 1, "b"), stage("m#qa#1", "b", "v1.0.0", 1)])
    assert names(theirs_too) == ["m#qa#1"]
    assert theirs_too[0].message.startswith("Assigning stage qa to artifact m version v2.0.0\n\nModel-Version: 2\n")


def test_a_second_version_that_somebody_made_by_hand_on_one_commit_is_kept() -> None:
    by_hand = replace(a_tag("m@v1.1.0", "a", 5, "by hand"), oid="x")
    found = again([version("v1.0.0", 1, "a")], [by_hand])
    assert (names(found), found[0].changed) == (["m@v1.1.0"], False)


def test_another_artifact_of_a_run_that_is_a_version_there() -> None:
    with pytest.raises(VersionExists, match="a run is one version of a model"):
        again([version("v1.0.0", 1, "a")], [version("v1.0.0", 1, "a", artifact="other")])


def test_what_comes_after_a_pre_release_is_for_people_to_say() -> None:
    with pytest.raises(VersionExists, match="is for you to say"):
        again([version("v2.0.0-rc.1", 1, "a")], [version("v2.0.0-rc.1", 1, "b")])


def test_taken_back_or_retired_in_both_places_is_so_once() -> None:
    theirs = [version("v1.0.0", 1, "a"), a_tag("m@v1.0.0!", "a"), a_tag("m@deprecated", "a")]
    ours = [replace(a_tag(name, "a", 9), oid="1" * 40) for name in ("m@v1.0.0!", "m@deprecated")]
    assert again(theirs, ours) == []


def test_a_lightweight_tag_there_has_its_name_too() -> None:
    theirs = [version("v1.0.0", 1, "a"), a_tag("m@v2.0.0", "b", annotated=False), a_tag("m#x#4", "b", annotated=False)]
    ours = [version("v2.0.0", 2, "c"), stage("m#qa#4", "c", "v2.0.0", 2)]
    assert names(again(theirs, ours)) == ["m@v3.0.0", "m#qa#5"]


def test_a_promotion_is_not_carried_past_a_later_one() -> None:
    base = [version("v1.0.0", 1, "a"), version("v2.0.0", 2, "b")]
    mine = stage("m#production#1", "a", "v1.0.0", 1, second=1)
    later = stage("m#production#1", "b", "v2.0.0", 2, second=5)
    with pytest.raises(GTrackError, match=r"m#production#1, which was made here and not published, was overtaken: Bo"):
        again([*base, later], [mine])
    with pytest.raises(GTrackError, match="was overtaken"):
        again([*base, stage("m#qa!#2", "a", "v1.0.0", 1, second=5), later], [stage("m#qa#1", "a", "v1.0.0", 1)])
    earlier = replace(later, time=mine.time)
    assert names(again([*base, earlier], [mine])) == ["m#production#2"]
    last = stage("m#production#2", "a", "v1.0.0", 1, second=9)
    assert names(again([*base, later], [mine, last])) == ["m#production#2", "m#production#3"]
    assert names(again([*base, stage("m#qa#1", "b", "v2.0.0", 2, 5)], [stage("m#qa#1", "a", "v1.0.0", 1)])) == [
        "m#qa#2"
    ]


def test_who_says_that_it_was_renumbered_must_be_the_same_act() -> None:
    base = [version("v1.0.0", 1, "a")]
    mine = stage("m#qa#1", "a", "v1.0.0", 1, second=1)
    trailer = f"Assigning\n\n{RENUMBERED}: m#qa#1 {mine.oid}\n"
    honest = replace(a_tag("m#qa#2", "a", 1, trailer), oid="x")
    assert again([*base, honest, stage("m#staging#1", "a", "v1.0.0", 1)], [mine]) == []
    for false in (replace(honest, tagger="Eve <e@x>"), replace(honest, time=7), replace(honest, target="z")):
        assert names(again([*base, false, stage("m#staging#1", "a", "v1.0.0", 1)], [mine])) == ["m#qa#3"]


# Whatever two clones did

_DO = st.lists(
    st.tuples(st.sampled_from(["register", "enter", "leave", "withdraw"]), st.integers(0, 5), st.sampled_from(STAGES)),
    max_size=7,
)


def do(tags: list[Tag], what: Sequence[tuple[str, int, str]], commits: str, second: int) -> list[Tag]:
    """Return what is made by somebody who sees ``tags``, one act after the other."""
    new: list[Tag] = []
    for at, (verb, which, where) in enumerate(what):
        ledger = fold([*tags, *new])
        model = ledger.models.get("m") or RegisteredModel("m")
        moves = Moves(ledger, model, EXCLUSIVE)
        acts: list[Act] = []
        if verb == "register":
            known = [*model.versions, *model.withdrawn]
            commit = commits[which]
            if all(one.commit != commit for one in known):
                semver = f"v{max((int(one.semver[1:].split('.')[0]) for one in known), default=0) + 1}.0.0"
                number = max((one.version for one in known), default=0) + 1
                said = [(messages.RUN, commit * 32), (messages.ARTIFACT, "model"), (messages.ORDINAL, str(number))]
                acts = [Act(TagName(Action.REGISTER, "m", semver), commit, None, said)]
        elif model.versions:
            one = model.versions[which % len(model.versions)]
            if verb == "enter":
                acts = moves.enter(one, where, alone=False)
            elif verb == "leave" and where in one.stages:
                acts = moves.leave(one, where)
            elif verb == "withdraw":
                acts = moves.withdraw(one)
        new += [act.made(f"{commits}_{second}_{at}_{act.name}", "Bo <b@x>", second) for act in acts]
    return new


@given(_DO, _DO, _DO)
def test_whatever_two_clones_did_is_there_once(
    before: list[tuple[str, int, str]], there: list[tuple[str, int, str]], here: list[tuple[str, int, str]]
) -> None:
    shared = do([], before, "abcdef", 1)
    theirs = [*shared, *do(shared, there, "123456", 2)]
    ours = do(shared, here, "12cdef", 2)
    found = again(theirs, ours)
    assert len({tag.name for tag in theirs} | set(names(found))) == len(theirs) + len(found)
    everything = [*theirs, *made(found)]
    ledger = fold(everything)
    assert ledger.problems == ()
    counters = [name.counter for tag in everything if (name := parse(tag.name)) and name.counter is not None]
    assert sorted(counters) == list(range(1, len(counters) + 1))
    versions = ledger.models["m"].versions + ledger.models["m"].withdrawn if ledger.models else ()
    assert {one.commit for one in versions} == {tag.target for tag in [*theirs, *ours] if parse_is_version(tag)}
    assert len({one.commit for one in versions}) == len(versions)
    assert acts(ours, counted=True) == acts(made(found), counted=True)
    by_name = {tag.name: tag for tag in everything}
    for event in ledger.events.get("m", ()):  # each is about the version that it was about
        said = messages.trailers_of(by_name[event.tag].message).get(messages.ORDINAL, [""])[0]
        assert said == str(event.version)
    # Killed before it could let go of what it had renumbered: the next look finds all of it done.
    assert again(everything, [one.was for one in found if one.changed]) == []


def parse_is_version(tag: Tag) -> bool:
    name = parse(tag.name)
    return name is not None and name.action is Action.REGISTER


def acts(tags: Sequence[Tag], *, counted: bool) -> list[tuple[str, str | None, str, int | None]]:
    read = [(name, tag) for tag in tags if (name := parse(tag.name)) is not None]
    kept = [(name, tag) for name, tag in read if (name.counter is not None) is counted]
    kept.sort(key=lambda one: one[0].counter or 0)
    return [(name.action.value, name.stage, tag.target, tag.time) for name, tag in kept]
