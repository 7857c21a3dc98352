"""What follows from the tags: versions, their numbers, stages; and that nonsense never hides the rest."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtrack.git.tags import Tag
from gtrack.records import RegisteredModel
from gtrack.registry.ledger import Ledger, fold
from gtrack.registry.tag_names import Action, TagName
from tests.registry.conftest import a_tag

RUN = "6f1c2a9be0d24c51a5b7c0f3d2e4a6b8"


def model(*tags: Tag, name: str = "m") -> RegisteredModel:
    return fold(tags).models[name]


def stages(*tags: Tag) -> dict[str, tuple[int, ...]]:
    return dict(model(*tags).stages)


def problems(ledger: Ledger) -> dict[str, str]:
    return {problem.tag: problem.text for problem in ledger.problems}


def three(*more: Tag) -> list[Tag]:
    """Three versions at the commits a, b and c, and more tags."""
    return [a_tag("m@v1.0.0", "a", 1), a_tag("m@v2.0.0", "b", 2), a_tag("m@v3.0.0", "c", 3), *more]


def test_nothing() -> None:
    assert fold([]) == Ledger()
    others = (a_tag("v1.0"), a_tag("release"))
    assert fold(others) == Ledger(tags=others)


def test_a_version_says_what_its_tag_says() -> None:
    message = (
        f"Registering artifact m version v1.0.0\n\nRun: {RUN}\nExperiment: e\nArtifact: out/clf\nModel-Version: 4\n"
    )
    one = model(a_tag("m@v1.0.0", "a", 1, f"{message}Metrics: f1=0.9, n=3\nReason: because")).versions[0]
    assert (one.name, one.version, one.semver, one.tag, one.commit) == ("m", 4, "v1.0.0", "m@v1.0.0", "a")
    assert (one.run_id, one.experiment, one.artifact, one.reason) == (RUN, "e", "out/clf", "because")
    assert (dict(one.metrics), one.user, one.source) == ({"f1": 0.9, "n": 3}, "Bo <b@x>", f"runs:/{RUN}/out/clf")
    assert (one.stages, one.current_stage, one.status) == ((), "None", "READY")
    assert one.created is not None
    assert one.creation_timestamp == 1_800_000_001_000


def test_tags_that_say_nothing_are_understood_by_their_commit_and_their_order() -> None:
    tags = [a_tag("m@v0.0.2", "b", 2), a_tag("m@v0.0.1", "a", 1), a_tag("m@v0.1.0", "c", 3)]
    found = fold(tags, {"a": RUN}.get).models["m"].versions
    assert [(one.version, one.semver, one.run_id) for one in found] == [
        (1, "v0.0.1", RUN),
        (2, "v0.0.2", None),
        (3, "v0.1.0", None),
    ]
    assert found[0].artifact == "model"
    assert found[1].source is None


def test_what_was_registered_in_one_second_is_numbered_as_semver_orders_it() -> None:
    found = model(a_tag("m@v10.0.0", "a"), a_tag("m@v2.0.0", "b"), a_tag("m@v2.0.0-rc.1", "c")).versions
    assert [one.semver for one in found] == ["v2.0.0-rc.1", "v2.0.0", "v10.0.0"]


def test_numbers_that_tags_say_are_kept_and_the_others_go_around_them() -> None:
    tags = [a_tag("m@v1.0.0", "a", 1), a_tag("m@v2.0.0", "b", 2, "x\n\nModel-Version: 2"), a_tag("m@v1.1.0", "c", 3)]
    between = a_tag("m@v1.0.1", "d", 1, "x")
    assert {one.semver: one.version for one in model(*tags, between).versions} == {
        "v1.0.0": 1,
        "v2.0.0": 2,
        "v1.0.1": 3,
        "v1.1.0": 4,
    }


def test_two_tags_that_claim_one_number() -> None:
    tags = [a_tag("m@v2.0.0", "a", 1, "x\n\nModel-Version: 2"), a_tag("m@v1.1.0", "b", 2, "x\n\nModel-Version: 2")]
    ledger = fold(tags)
    assert {one.semver: one.version for one in ledger.models["m"].versions} == {"v2.0.0": 2, "v1.1.0": 3}
    assert problems(ledger) == {"m@v1.1.0": "it says that it is version 2, which v2.0.0 is already"}


@pytest.mark.parametrize("said", ["0", "-1", "x", "٣", "1.0", "99999999999999999999", ""])
def test_a_number_that_is_none(said: str) -> None:
    assert model(a_tag("m@v5.0.0", message=f"x\n\nModel-Version: {said}")).versions[0].version == 1


def test_a_version_is_the_first_tag_of_its_name() -> None:
    ledger = fold([*three(), a_tag("m@v1.0.0#7", "z", 9)])
    assert [one.commit for one in ledger.models["m"].versions] == ["a", "b", "c"]
    assert problems(ledger) == {"m@v1.0.0#7": "v1.0.0 is registered already, on another commit (m@v1.0.0)"}
    assert ledger.counters["m"] == 7


def test_the_counter_decides_and_not_the_clock() -> None:
    """The second promotion was made by somebody whose clock is a day slow; the third in the same second as the first."""
    assert stages(*three(a_tag("m#production#1", "a", 500), a_tag("m#production#2", "b", 0))) == {"production": (2,)}
    assert stages(*three(a_tag("m#production#1", "a", 5), a_tag("m#production#2", "b", 5))) == {"production": (2,)}
    assert stages(*three(a_tag("m#production#9", "a", 5), a_tag("m#production#10", "b", 5))) == {"production": (2,)}


def test_the_clock_decides_where_two_have_one_counter() -> None:
    assert stages(*three(a_tag("m#prod#1", "b", 6), a_tag("m#prod!#1", "b", 5))) == {"prod": (2,)}
    assert stages(*three(a_tag("m#prod#1", "b", 5), a_tag("m#prod!#1", "b", 6))) == {}


def test_tags_without_a_counter_are_older_than_those_with_one() -> None:
    assert stages(*three(a_tag("m#production", "a", 9), a_tag("m#production#1", "b", 4))) == {"production": (2,)}


def test_a_rollback_is_one_more_assignment() -> None:
    tags = three(a_tag("m#production#1", "a", 4), a_tag("m#production#2", "b", 5), a_tag("m#production#3", "a", 6))
    assert stages(*tags) == {"production": (1,)}


def test_an_exclusive_stage_holds_the_last_and_another_one_all() -> None:
    tags = three(
        *(a_tag(f"m#{stage}#{n}", commit) for stage in ("production", "qa") for n, commit in ((1, "a"), (2, "b")))
    )
    assert stages(*tags) == {"production": (2,), "qa": (1, 2)}
    assert dict(fold(tags, exclusive=["qa"]).models["m"].stages) == {"production": (1, 2), "qa": (2,)}
    assert fold(tags).shadowed == {("m", "production"): (1,)}


def test_unassigning_brings_back_what_was_never_taken_out_as_gto_has_it() -> None:
    tags = three(a_tag("m#production#1", "a"), a_tag("m#production#2", "b"), a_tag("m#production!#3", "b"))
    assert stages(*tags) == {"production": (1,)}
    assert stages(*tags, a_tag("m#production!#4", "a")) == {}


def test_a_version_that_was_taken_back_is_in_no_stage() -> None:
    tags = three(a_tag("m#production#1", "c"), a_tag("m#qa#2", "c"), a_tag("m@v3.0.0!", "c", 9))
    found = model(*tags)
    assert (dict(found.stages), [one.version for one in found.versions]) == ({}, [1, 2])
    assert [(one.version, one.stages, one.registered) for one in found.withdrawn] == [(3, (), False)]
    again = model(*tags, a_tag("m@v3.0.0#3", "c", 10))
    assert (dict(again.stages), len(again.versions)) == ({"production": (3,), "qa": (3,)}, 3)


def test_the_stages_of_a_version_end_with_the_one_that_it_came_into_last() -> None:
    tags = three(a_tag("m#zz#1", "a"), a_tag("m#production#2", "a"), a_tag("m#aa#3", "a"), a_tag("m#zz#4", "a"))
    one = model(*tags).versions[0]
    assert one.stages == ("production", "aa", "zz")
    assert (one.current_stage, one.aliases) == ("Production", ["aa", "zz"])


def test_a_model_is_deprecated_until_something_is_said_of_it_again() -> None:
    retired = three(a_tag("m#qa#1", "a", 4), a_tag("m@deprecated", "c", 5))
    assert model(*retired).deprecated
    assert len(model(*retired).versions) == 3
    assert not model(*retired, a_tag("m#qa#2", "b", 6)).deprecated
    assert not model(*retired, a_tag("m@v4.0.0", "d", 6)).deprecated
    assert model(*retired, a_tag("m#qa#2", "b", 6), a_tag("m@deprecated#3", "c", 6)).deprecated


def test_stages_of_mlflow_are_the_same_in_any_case() -> None:
    assert stages(*three(a_tag("m#Production#1", "a"), a_tag("m#production#2", "b"))) == {"production": (2,)}


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        (a_tag("m#qa#1", "a", annotated=False), "lightweight"),
        (a_tag("m#qa#1", "", kind=""), "not in this repository"),
        (a_tag("m#qa#1", "a", kind="tree"), "on a tree, not on a commit"),
        (a_tag("m#qa qa#1", "a"), "not in the grammar"),
        (a_tag("m@v1.0", "a"), "not in the grammar"),
        (a_tag("m#qa#1", "elsewhere"), "no version of m is registered on its commit"),
        (a_tag("m@v7.0.0!", "a"), "v7.0.0 was never registered"),
        (a_tag("other#qa#1", "a"), "no version of other is registered"),
    ],
)
def test_what_is_not_understood_is_a_problem_and_hides_nothing(tag: Tag, said: str) -> None:
    good = three(a_tag("m#production#1", "b"))
    ledger = fold([tag, *good])
    assert said in problems(ledger)[tag.name]
    assert replace(ledger.models["m"], updated=None) == replace(fold(good).models["m"], updated=None)


def test_two_versions_on_one_commit_and_a_stage_there() -> None:
    """It ends `gto show` for a whole repository; the version that the tag names is meant, else the last one before it."""
    two = [a_tag("m@v1.0.0", "a", 1), a_tag("m@v1.1.0", "a", 2), a_tag("m@v1.2.0", "a", 9)]
    assert stages(*two, a_tag("m#qa#1", "a", 5)) == {"qa": (2,)}
    assert stages(*two, a_tag("m#qa#1", "a", 5, "x\n\nModel-Version: 1")) == {"qa": (1,)}


def test_created_is_no_version() -> None:
    found = model(a_tag("m@created", "a"), a_tag("m@v1.0.0", "a", 1))
    assert [one.semver for one in found.versions] == ["v1.0.0"]


def test_a_time_that_no_calendar_has() -> None:
    tag = replace(a_tag("m@v1.0.0", "a"), time=10**17)
    assert fold([tag]).models["m"].versions[0].created is None


def test_events_say_who_did_what_and_what_was_there_before() -> None:
    why = "x\n\nReason: better"
    tags = three(
        a_tag("m#production#1", "a", 4), a_tag("m#production#2", "c", 5, why, signed=True), a_tag("m@v2.0.0!", "b", 6)
    )
    events = fold(tags).events["m"]
    assert [(one.action, one.version, one.stage, one.before) for one in events] == [
        (Action.REGISTER, 1, None, None),
        (Action.REGISTER, 2, None, None),
        (Action.REGISTER, 3, None, None),
        (Action.ASSIGN, 1, "production", None),
        (Action.ASSIGN, 3, "production", 1),
        (Action.DEREGISTER, 2, None, None),
    ]
    assert (events[4].reason, events[4].user, events[4].signed, events[4].semver) == (
        "better",
        "Bo <b@x>",
        True,
        "v3.0.0",
    )


# Against a model of it that is as plain as can be

_VERSIONS = ("v1.0.0", "v2.0.0", "v3.0.0")
_steps = st.lists(
    st.tuples(
        st.sampled_from([Action.ASSIGN, Action.UNASSIGN]), st.sampled_from(["production", "qa"]), st.integers(0, 2)
    ),
    max_size=25,
)


@given(_steps, st.randoms(use_true_random=False), st.data())
def test_whatever_is_done_in_turn_counts_in_that_turn(
    steps: list[tuple[Action, str, int]], chance: object, data: st.DataObject
) -> None:
    tags = [a_tag(f"m@{version}", str(at), at) for at, version in enumerate(_VERSIONS)]
    plain: dict[str, list[int]] = {}
    for counter, (action, stage, at) in enumerate(steps, 1):
        second = data.draw(st.integers(0, 3))  # clocks say anything
        tags.append(a_tag(str(TagName(action, "m", stage=stage, counter=counter)), str(at), second))
        there = plain.setdefault(stage, [])
        if at + 1 in there:
            there.remove(at + 1)
        if action is Action.ASSIGN:
            there.append(at + 1)
    wanted = {stage: tuple(there[-1:] if stage == "production" else there) for stage, there in plain.items() if there}
    shuffled = data.draw(st.permutations(tags))
    ledger = fold(shuffled)
    found = ledger.models["m"]
    assert dict(found.stages) == wanted
    assert ledger.problems == ()
    assert ledger.counters["m"] == len(steps)
    for one in found.versions:
        assert set(one.stages) == {stage for stage, numbers in wanted.items() if one.version in numbers}
    assert len(ledger.events["m"]) == len(tags)


@given(st.lists(st.tuples(st.text("m@#v1.0!d", max_size=12), st.integers(0, 3), st.booleans()), max_size=12))
def test_no_tags_whatever_end_it(odd: list[tuple[str, int, bool]]) -> None:
    tags = [a_tag(name or "x", str(commit), commit, annotated=annotated) for name, commit, annotated in odd]
    good = [a_tag("good@v1.0.0", "g"), a_tag("good#production#1", "g")]
    ledger = fold([*tags, *good])
    assert ledger.models["good"].stages == {"production": (1,)}
    for one in ledger.models.values():
        numbers = [version.version for version in (*one.versions, *one.withdrawn)]
        assert sorted(set(numbers)) == sorted(numbers)
