"""Names and paths: what may be written, on every system."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gtrack.errors import InvalidName, InvalidPath
from gtrack.formats.names import (
    MAX_COMPONENT,
    MAX_NAME,
    RUN_ID,
    check_artifact_path,
    check_experiment,
    check_name,
    decode_experiment,
    encode_experiment,
    new_run_id,
    new_run_name,
    run_path,
)
from tests.conftest import Git

ODD_EXPERIMENTS = [
    *("a/b", "..", ".", ".hidden", "-x", "a.", "a b", "a:b", "a\\b", "a%2Fb", "%41", "%", "con", "NUL", "com1.txt", "CONSOLE"),
    *(".git", ".GIT", "git~1", "GIT~2", ".git.", ".gi\u200dt", "\u200c.git", "é", "e\u0301", "😀", "名前", "a?b*c", '"q"'),
    *("a|b", "<x>", ".git:stream", "lpt9", "aux.", "a" * 240, "/", "//", "~", "$HOME", "a\u00a0b", "ﬁ", "A", "a", "/" * 80),
]  # fmt: skip
names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60)

WINDOWS = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)", re.IGNORECASE)


def assert_component_is_safe(component: str) -> None:
    assert component not in {"", ".", ".."}
    assert not re.search(r'[/\\:*?"<>|\x00-\x1f\x7f]', component)
    assert component[0] not in ".-"
    assert component[-1] not in ". "
    assert not WINDOWS.match(component)
    assert not re.match(
        r"\.?git(~[0-9]+)?[ .]*$", re.sub("[\u200c-\u200f\u202a-\u202e\u206a-\u206f]", "", component)
    ) or (component == "git")
    assert len(component.encode()) <= MAX_COMPONENT


@given(names)
def test_experiment_names_round_trip_as_one_safe_component(name: str) -> None:
    try:
        checked = check_experiment(name)
    except InvalidName:
        assume(False)
        raise
    component = encode_experiment(checked)
    assert decode_experiment(component) == checked
    assert_component_is_safe(component)


@pytest.mark.parametrize("name", ODD_EXPERIMENTS)
def test_odd_experiment_names(name: str) -> None:
    checked = check_experiment(name)
    component = encode_experiment(checked)
    assert decode_experiment(component) == checked == unicodedata.normalize("NFC", name)
    assert_component_is_safe(component)


@given(names, names)
def test_two_experiments_have_two_paths(one: str, other: str) -> None:
    assume(unicodedata.normalize("NFC", one) != unicodedata.normalize("NFC", other))
    assert encode_experiment(one) != encode_experiment(other)


def test_readable_names_stay_readable() -> None:
    assert encode_experiment("RandomForest_Classification") == "RandomForest_Classification"
    assert encode_experiment("a b é 名前") == "a b é 名前"
    assert encode_experiment("team/churn") == "team%2Fchurn"
    assert run_path("team/churn", "6f" + "0" * 30) == f"experiments/team%2Fchurn/6f/6f{'0' * 30}"


def test_git_takes_every_component(git: Git) -> None:
    blob = git("hash-object", "-w", "--stdin", stdin="x")
    components = {encode_experiment(check_experiment(name)) for name in ODD_EXPERIMENTS}
    entries = "".join(f"100644 blob {blob}\t{component}\0" for component in components)
    tree = git("mktree", "-z", stdin=entries)
    commit = git("commit-tree", "-m", "names", tree)
    git("update-ref", "refs/heads/names", commit)
    config = ("-c", "core.protectNTFS=true", "-c", "core.protectHFS=true")
    assert "error" not in git(*config, "fsck", "--strict", "--full")
    git(*config, "read-tree", "--index-output=.git/other-index", tree)  # checks each path as a checkout does


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "empty"),
        (" a", "space"),
        ("a\n", "space"),
        ("a\nb", "character"),
        ("a\x00b", "character"),
        ("a\x7fb", "character"),
        ("a\u2028b", "character"),
        ("a\ufeffb", "character"),
        ("a\ud800b", "character"),
        ("x" * (MAX_NAME + 1), "251 characters"),
        ("x" * 300, "300 characters"),
        (5, "text"),
        (None, "text"),
        (b"a", "text"),
    ],
    ids=ascii,
)
def test_names_that_cannot_be(name: object, why: str) -> None:
    with pytest.raises(InvalidName, match=why) as caught:
        check_name(name, "metric")
    assert "metric" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a/b", "..", "😀", "a b", "x" * MAX_NAME, "val/loss@1", "'\"", "-"])
def test_names_that_can_be(name: str) -> None:
    assert check_name(name, "run") == name


def test_one_name_has_one_spelling() -> None:
    assert check_name("e\u0301", "run") == "é"
    assert len(check_name("e\u0301" * MAX_NAME, "run")) == MAX_NAME


def test_an_experiment_name_must_fit_a_path() -> None:
    with pytest.raises(InvalidName, match="bytes as a path"):
        check_experiment("名" * 81)
    with pytest.raises(InvalidName, match="bytes as a path"):
        check_experiment("/" * 81)


ESCAPES = [
    *("", "/", "/etc/passwd", "..", "../x", "a/../b", "a/..", ".", "./a", "a/./b", "a//b", "a/", "//a", "C:/x", "c:x", "C:"),
    *("a\\b", "\\\\host\\share", "..\\x", "a\nb", "a\x00b", "a\x1b[31m", "a\x85b", "a\u2028", "a\udcffb", "\ufeffa"),
    *(".git", ".git/config", "a/.GIT/hooks/x", "git~1", "a/Git~2/x", ".git.", ".git ", "a/.git .", ".g\u200cit/x", ".git\u200d"),
    *(".git::$INDEX_ALLOCATION/x", ".git:x", "x" * 241, "é" * 121, "a/" * 520 + "a", "\u0958" * 60),
]  # fmt: skip


@pytest.mark.parametrize("path", ESCAPES, ids=lambda path: ascii(path)[:40])
def test_artifact_paths_that_escape_or_cannot_be(path: str) -> None:
    with pytest.raises(InvalidPath) as caught:
        check_artifact_path(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", [5, None, b"a", Path("a")])
def test_an_artifact_path_is_text(path: object) -> None:
    with pytest.raises(InvalidPath, match="is text"):
        check_artifact_path(path)


@pytest.mark.parametrize(
    "path",
    [
        *(
            "a",
            "a/b/c.png",
            ".hidden",
            "a b/é😀.txt",
            "...",
            "..a",
            "a..b",
            ".github/x",
            ".gitignore",
            "x" * 240,
            "12:30.png",
        ),
        *("epoch=3-loss=0.1.ckpt", "-x", "%2e%2e/x", "~/x", "$HOME", "git~", "gitt", "a.git"),
    ],
)
def test_artifact_paths_that_are_safe(path: str) -> None:
    assert check_artifact_path(path) == path


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=80))
def test_a_path_that_passes_stays_below_its_directory(path: str) -> None:
    try:
        checked = check_artifact_path(path)
    except InvalidPath:
        return
    base = Path("/base/artifacts")
    assert base in (base / checked).parents
    assert check_artifact_path(checked) == checked
    assert all(part not in {"", ".", ".."} and len(part.encode()) <= MAX_COMPONENT for part in checked.split("/"))


def test_fresh_ids_and_names() -> None:
    ids = {new_run_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(RUN_ID.match(one) for one in ids)
    fresh = {new_run_name() for _ in range(1000)}
    assert len(fresh) > 900
    assert all(re.fullmatch(r"[a-z]+-[a-z]+-[0-9]{1,3}", name) for name in fresh)


def test_decoding_what_another_tool_wrote() -> None:
    assert decode_experiment("a%zzb") == "a%zzb"
    assert unquote("%2F") == decode_experiment("%2f") == "/"
