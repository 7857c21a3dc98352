"""The grammar of registry tags: GTO's, read and written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtrack.errors import InvalidName, UsageError
from gtrack.registry.tag_names import (
    Action,
    Reference,
    TagName,
    bumped,
    check_bump,
    check_model,
    check_stage,
    check_version,
    looks_like,
    parse,
    parse_reference,
    precedence,
)

names = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9/_-]{0,20}[a-zA-Z0-9])?", fullmatch=True)
directories = st.from_regex(r"[a-zA-Z0-9_./-]{1,20}", fullmatch=True)
models = st.one_of(names, st.builds("{}:{}".format, directories, names))
numbers = st.integers(0, 10**6)
identifiers = st.from_regex(r"(0|[1-9][0-9]{0,5}|[0-9]{0,3}[a-zA-Z-][0-9a-zA-Z-]{0,5})", fullmatch=True)
prereleases = st.lists(identifiers, min_size=1, max_size=3).map(lambda parts: "-" + ".".join(parts))
builds = st.lists(st.from_regex(r"[0-9a-zA-Z-]{1,6}", fullmatch=True), min_size=1, max_size=3).map(
    lambda parts: "+" + ".".join(parts)
)
versions = st.builds(
    "v{}.{}.{}{}{}".format,
    numbers,
    numbers,
    numbers,
    st.one_of(st.just(""), prereleases),
    st.one_of(st.just(""), builds),
)
counters = st.one_of(st.none(), st.integers(0, 10**12))
tag_names = st.one_of(
    st.builds(
        TagName, st.sampled_from([Action.REGISTER, Action.DEREGISTER]), models, version=versions, counter=counters
    ),
    st.builds(TagName, st.sampled_from([Action.ASSIGN, Action.UNASSIGN]), models, stage=names, counter=counters),
    st.builds(TagName, st.sampled_from([Action.DEPRECATE, Action.CREATE]), models, counter=counters),
)


@given(tag_names)
def test_what_is_formatted_is_parsed_to_the_same(name: TagName) -> None:
    assert parse(str(name)) == name


@given(st.text("am/1-_@#!v.0=+: \n", max_size=30))
def test_whatever_is_parsed_is_formatted_to_what_means_the_same(text: str) -> None:
    found = parse(text)
    assert found is None or parse(str(found)) == found


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("m@v0.0.1", TagName(Action.REGISTER, "m", "v0.0.1")),
        ("m@v1.0.0-rc.1+b.5!", TagName(Action.DEREGISTER, "m", "v1.0.0-rc.1+b.5")),
        ("m#prod#3", TagName(Action.ASSIGN, "m", stage="prod", counter=3)),
        ("m#prod!#5", TagName(Action.UNASSIGN, "m", stage="prod", counter=5)),
        ("m#prod", TagName(Action.ASSIGN, "m", stage="prod")),
        ("m@deprecated", TagName(Action.DEPRECATE, "m")),
        ("m@created#2", TagName(Action.CREATE, "m", counter=2)),
        ("a/b=c@v1.2.3#7", TagName(Action.REGISTER, "a/b:c", "v1.2.3", counter=7)),
        ("a//b#s", TagName(Action.ASSIGN, "a//b", stage="s")),
        ("m#a/b#1", TagName(Action.ASSIGN, "m", stage="a/b", counter=1)),
    ],
)
def test_forms(text: str, name: TagName) -> None:
    assert parse(text) == name
    assert str(name) == text


@pytest.mark.parametrize(
    "text",
    [
        "m",
        "m@v1.0",
        "m@v01.0.0",
        "m@1.0.0",
        "a.b@v1.0.0",
        "a=b=c@v1.0.0",
        "m#",
        "m#-x",
        "m@v1.0.0#",
        "m@v1.0.0#x",
        "m@v1.0.0!!",
        *("m#a b", "-m@v1.0.0", "m@deprecated!", "m@v1.0.0\n", "m#prod#٣", "m@v1.0.0#" + "9" * 300),
    ],
)
def test_what_is_no_registry_tag(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("m@1.0.0", True),
        ("m@v1.0", True),
        ("m#a b", True),
        ("m@deprecate", False),
        ("v1.0.0", False),
        ("me@home", False),
        ("#1", False),
        ("release#", False),
        ("m@v1.0.0-", True),
    ],
)
def test_which_other_tags_were_meant_as_registry_tags(text: str, meant: bool) -> None:
    assert looks_like(text) is meant


@pytest.mark.parametrize(
    "name", ["", "-a", "a-", "a b", "a.b", "a=b", "ä", "a@b", "a\n", "a//b", None, 3, "..:a", "/x:a", "-x:a", "a" * 200]
)
def test_models_that_cannot_be_called_so(name: object) -> None:
    with pytest.raises(InvalidName) as caught:
        check_model(name)
    assert any(
        said in str(caught.value) for said in ("letters, digits, '-', '_' and '/'", "git refuses", "is the limit")
    )


@pytest.mark.parametrize("name", ["a", "A1", "a/b-c_d", "dir:name", "a.b/c:name", "x_:y"])
def test_models_that_can_be_called_so(name: str) -> None:
    assert check_model(name) == name


@pytest.mark.parametrize(
    ("said", "written"),
    [("Production", "production"), ("STAGING", "staging"), ("archived", "archived"), ("Prod", "Prod"), ("a/b", "a/b")],
)
def test_stages_of_mlflow_are_written_small_and_others_as_they_are(said: str, written: str) -> None:
    assert check_stage(said) == written


@pytest.mark.parametrize("name", ["", "None", "none", "a b", "pro#d", "a//b", "x!"])
def test_what_is_no_stage(name: str) -> None:
    with pytest.raises(InvalidName):
        check_stage(name)


@pytest.mark.parametrize(
    ("said", "written"), [("v1.4.0", "v1.4.0"), ("1.4.0", "v1.4.0"), ("v2.0.0-rc.1", "v2.0.0-rc.1")]
)
def test_versions(said: str, written: str) -> None:
    assert check_version(said) == written


@pytest.mark.parametrize(
    "text", ["", "v1", "v1.0", "v01.0.0", "vv1.0.0", "v1.0.0-", "v1.0.0-a.lock", "v1.0.0\n", 3, "v1.0.0-" + "a" * 99]
)
def test_what_is_no_version(text: object) -> None:
    with pytest.raises(InvalidName):
        check_version(text)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("m@3", Reference("m", which="3")),
        ("m@v3", Reference("m", which="v3")),
        ("m@v1.2.3", Reference("m", which="v1.2.3")),
        ("d:m@latest", Reference("d:m", which="latest")),
        ("m#Production", Reference("m", stage="production")),
        ("m#champion", Reference("m", stage="champion")),
        ("m", None),
        ("m@0", None),
        ("m@1.0", None),
        ("m#prod#3", None),
        ("m#None", None),
        ("m@deprecated", None),
    ],
)
def test_references(text: str, reference: Reference | None) -> None:
    assert parse_reference(text) == reference


def test_precedence_is_that_of_semver() -> None:
    before = ["v1.0.0-alpha", "v1.0.0-alpha.1", "v1.0.0-alpha.beta", "v1.0.0-beta", "v1.0.0-beta.2", "v1.0.0-beta.11"]
    order = [*before, "v1.0.0-rc.1", "v1.0.0", "v1.0.1", "v1.1.0", "v2.0.0", "v10.0.0"]
    assert sorted(sorted(order), key=precedence) == order


@pytest.mark.parametrize(
    ("version", "bump", "following"),
    [
        ("v1.4.2", "major", "v2.0.0"),
        ("v1.4.2", "minor", "v1.5.0"),
        ("v1.4.2", "patch", "v1.4.3"),
        ("v2.0.0-rc.1", "major", "v2.0.0"),
        ("v2.1.0-rc.1", "major", "v3.0.0"),
        ("v2.1.0-rc.1", "minor", "v2.1.0"),
        ("v2.1.3-rc.1", "minor", "v2.2.0"),
        ("v2.1.3-rc.1", "patch", "v2.1.3"),
        ("v0.0.1", "major", "v1.0.0"),
    ],
)
def test_bumps(version: str, bump: str, following: str) -> None:
    assert bumped(version, bump) == following


@given(versions, st.sampled_from(["major", "minor", "patch"]))
def test_the_next_version_is_a_higher_one(version: str, bump: str) -> None:
    following = bumped(version, bump)
    assert precedence(following) > precedence(version)
    assert check_version(following) == following


def test_a_bump_that_is_none() -> None:
    with pytest.raises(UsageError, match="major, minor or patch, not 'huge'"):
        check_bump("huge")
