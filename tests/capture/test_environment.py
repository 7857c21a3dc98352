"""The environment that is recorded, and what is kept out of it."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shlex
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gtrack.capture import environment
from gtrack.capture.environment import REDACTED, capture, installed_packages, looks_secret, redact_command, redact_url
from gtrack.formats.yamlio import dumps, loads


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_packages_are_those_of_importlib_metadata() -> None:
    expected: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        expected.setdefault(normalised(distribution.name), distribution.version)
    assert installed_packages() == dict(sorted(expected.items()))
    assert "numpy" in expected


def test_packages_of_every_kind_of_metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [
        "Plain.Name-1.2.dist-info",
        "torch-2.1.0+cu118.dist-info",
        "old-1.0-py3.9.egg-info",
        "~broken-1.dist-info",
    ]:
        (tmp_path / name).mkdir()
    (tmp_path / "develop.egg-info").mkdir()
    (tmp_path / "develop.egg-info" / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: develop\nVersion: 0.1.dev3\n")
    (tmp_path / "odd-1.0_1.dist-info").mkdir()
    (tmp_path / "odd-1.0_1.dist-info" / "METADATA").write_text("Name: odd\nVersion: 1.0-1\n\nVersion: no\n")
    (tmp_path / "gone.egg-info").mkdir()
    egg = tmp_path / "zipped-3.0-py3.8.egg"
    (egg / "EGG-INFO").mkdir(parents=True)
    later = tmp_path / "later"
    (later / "plain_name-9.dist-info").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(egg), str(later), str(tmp_path / "missing"), "python311.zip"])
    assert installed_packages() == {
        "develop": "0.1.dev3",
        "odd": "1.0-1",
        "old": "1.0",
        "plain-name": "1.2",
        "torch": "2.1.0+cu118",
        "zipped": "3.0",
    }


def test_capture_says_where_it_runs_and_is_yaml() -> None:
    found = capture()
    assert found["python"] == {"version": ".".join(map(str, sys.version_info[:3])), "implementation": "CPython"}
    cpu = found["cpu"]
    assert isinstance(cpu, dict)
    assert cpu["logical"] == os.cpu_count()
    memory = found["memory_bytes"]
    assert isinstance(memory, int)
    assert memory > 2**28
    assert loads(dumps(found), "environment.yaml") == found


def test_capture_loads_nothing_heavy() -> None:
    code = (
        "import sys; from gtrack.capture.environment import capture; capture(); "
        "print([m for m in ('numpy', 'pandas', 'importlib.metadata', 'asyncio', 'email') if m in sys.modules])"
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    answer = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"


def test_variables_are_an_allow_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {})
    os.environ.update(
        {
            "OMP_NUM_THREADS": "4",
            "MY_STAGE": "blue",
            "MY_TOKEN": "t",
            "MY_API_KEY": "k",
            "MY_SECRET_NAME": "s",
            "MY_PASSWORD": "p",
            "MY_PROXY": "http://me:pw@proxy:8080",
            "HOME": "/home/me",
        }
    )
    assert capture()["variables"] == {"OMP_NUM_THREADS": "4"}
    assert capture(["MY_*"])["variables"] == {"MY_PROXY": "http://proxy:8080", "MY_STAGE": "blue"}
    assert capture(["*"])["variables"].keys() == {"OMP_NUM_THREADS", "MY_STAGE", "MY_PROXY", "HOME"}  # type: ignore[union-attr]
    assert capture([])["variables"] == {}


def program(directory: Path, text: str) -> None:
    path = directory / "nvidia-smi"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def own_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    environment._gpus.cache_clear()
    yield tmp_path
    environment._gpus.cache_clear()


def test_gpus_are_listed(own_path: Path) -> None:
    program(own_path, "echo 'NVIDIA A100-SXM4-80GB, 81920, 550.54.15'; echo 'NVIDIA T4, [N/A], 550.54.15'")
    assert capture()["gpu"] == [
        {"name": "NVIDIA A100-SXM4-80GB", "memory_bytes": 81920 * 2**20, "driver": "550.54.15"},
        {"name": "NVIDIA T4", "driver": "550.54.15"},
    ]


@pytest.mark.parametrize("text", ["exit 9", "echo", "exec /nowhere/at-all"])
def test_no_gpu_entry_without_a_working_driver(own_path: Path, text: str) -> None:
    program(own_path, text)
    assert "gpu" not in capture()


def test_a_driver_that_hangs_costs_a_bounded_time(own_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_GPU_TIMEOUT", 0.2)
    program(own_path, "exec sleep 30")
    start = time.perf_counter()
    assert "gpu" not in capture()
    assert time.perf_counter() - start < 5


# --- redaction -------------------------------------------------------------------------------------------------------

SECRET_NAMES = (
    "token api-key api_key apikey password passwd db.password dbPassword client-secret HF_TOKEN AWS_SECRET_ACCESS_KEY "
    "AWSAccessKeyId OPENAI_API_KEY wandb-key DB_PWD GITHUB_PAT auth private-key passphrase X-Auth-Token credentials"
).split()
PLAIN_NAMES = (
    "tokenizer max-tokens num_tokens sort-key key group_key public-key author epochs lr n_estimators keyboard monkey "
    "signature compass pass PWD OLDPWD passes path pattern"
).split()


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_secret_names(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize("name", PLAIN_NAMES)
def test_plain_names(name: str) -> None:
    assert not looks_secret(name)


GITHUB_TOKEN = "ghp_" + "a1B2" * 9
JSON_WEB_TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("given_command", "kept"),
    [
        ("train.py --token abc --lr 0.1", "train.py --token *** --lr 0.1"),
        ("train.py --api-key=abc", "train.py --api-key=***"),
        ("train.py --tokenizer gpt2 --max-tokens 100", "train.py --tokenizer gpt2 --max-tokens 100"),
        ("train.py --use-auth-token --epochs 3", "train.py --use-auth-token --epochs 3"),
        ("env HF_TOKEN=abc python train.py", "env HF_TOKEN=*** python train.py"),
        ("gtrack run train.py --param db.password=abc", "gtrack run train.py --param db.password=***"),
        ("gtrack run train.py --param=db.password=abc", "gtrack run train.py --param=db.password=***"),
        ("fetch --url=https://me:pw@host/x", "fetch --url=https://host/x"),
        ("curl -H 'Authorization: Bearer abc def' host", "curl -H 'Authorization: ***' host"),
        ("curl -H 'X-Api-Key: abc' host", "curl -H 'X-Api-Key: ***' host"),
        ("""call '{"api_key": "abc", "n": 1}'""", """call '{"api_key": "***", "n": 1}'"""),
        ("""call '{"n":1,"password":"a b"}'""", """call '{"n":1,"password":"***"}'"""),
        ("""sh -c 'curl --token "a b" -s'""", """sh -c 'curl --token "***" -s'"""),
        ("""sh -c "sh -c 'x --token abc; y'" """, """sh -c "sh -c 'x --token *** y'" """),
        (f"clone {GITHUB_TOKEN}", "clone ***"),
        (f"call x={JSON_WEB_TOKEN}", "call x=***"),
        ("train.py --token", "train.py --token"),
        ("train.py --password=", "train.py --password="),
        ("train.py a=b=c --x -1 '' 'two words' C:/dir", "train.py a=b=c --x -1 '' 'two words' C:/dir"),
    ],
)
def test_commands(given_command: str, kept: str) -> None:
    assert redact_command(shlex.split(given_command)) == shlex.split(kept)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://me:pw@example.org/a.git", "https://example.org/a.git"),
        ("https://ghp_token@github.com/a/b", "https://github.com/a/b"),
        ("https://me:p@ss:w@example.org/a", "https://example.org/a"),
        ("https://me:p/w?#@example.org/a", "https://example.org/a"),
        ("ssh://git@example.org:22/a.git", "ssh://git@example.org:22/a.git"),
        ("ssh://git:pw@example.org/a.git", "ssh://git@example.org/a.git"),
        ("postgresql://me:pw@db:5432/runs", "postgresql://me@db:5432/runs"),
        ("redis://:pw@db", "redis://db"),
        ("git@example.org:team/repo.git", "git@example.org:team/repo.git"),
        ("../repo.git", "../repo.git"),
        ("file:///home/x/repo@v2", "file:///home/x/repo@v2"),
        ("https://example.org:8080/@scope/p", "https://example.org:8080/@scope/p"),
        ("https://h/x?a=1&access_token=abc&b=2#f", "https://h/x?a=1&access_token=***&b=2#f"),
        (
            "https://b.s3/x?X-Amz-Credential=A&X-Amz-Signature=f00",
            "https://b.s3/x?X-Amz-Credential=***&X-Amz-Signature=***",
        ),
        ("https://b.blob/x?sv=1&sig=abc%3D", "https://b.blob/x?sv=1&sig=***"),
        ("from https://a:b@c/d to s3://e", "from https://c/d to s3://e"),
    ],
)
def test_urls(url: str, kept: str) -> None:
    assert redact_url(url) == kept


secrets = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=6, max_size=40).filter(
    lambda text: not (text.startswith("-") or REDACTED in text or re.search(r"\s", text))
)
plain_words = st.from_regex(r"(--?)?[a-z][a-z0-9_./]{0,10}(=[a-z0-9.,/]{0,8})?", fullmatch=True).filter(
    lambda word: not looks_secret(word.partition("=")[0])
)
secret_names = st.sampled_from(SECRET_NAMES)


@given(st.lists(plain_words, max_size=8))
def test_plain_commands_stay_as_they_are(words: list[str]) -> None:
    assert redact_command(words) == words


@given(st.lists(plain_words, max_size=4), secret_names, secrets, st.lists(plain_words, max_size=4), st.integers(0, 3))
def test_no_secret_value_survives(before: list[str], name: str, secret: str, after: list[str], form: int) -> None:
    words = [[f"--{name}", secret], [f"--{name}={secret}"], [f"{name}={secret}"], ["-p", f"{name}={secret}"]][form]
    assume(not any(secret in word for word in [*before, name, *after, REDACTED]))
    kept = redact_command([*before, *words, *after])
    assert not any(secret in word for word in kept)
    assert kept[: len(before)] == before
    assert kept[len(kept) - len(after) :] == after
    assert len(kept) == len(before) + len(words) + len(after)
    assert redact_command(kept) == kept


@given(secret_names, secrets, st.booleans())
def test_no_secret_value_survives_inside_a_shell_line(name: str, secret: str, assigned: bool) -> None:
    line = shlex.join(["run", f"--{name}={secret}"] if assigned else ["run", f"--{name}", secret])
    assume(secret not in f"run --{name} {REDACTED}" and "'" not in secret)
    (kept,) = redact_command([line])
    assert secret not in kept
    assert f"--{name}" in kept


@given(st.sampled_from(["https", "ssh", "postgresql", "s3"]), st.from_regex(r"[a-z]{1,8}", fullmatch=True), secrets)
def test_no_password_survives_in_a_url(scheme: str, user: str, secret: str) -> None:
    # A number and a slash after the colon is a port and a path: nobody can tell user:80/x@host from host:80/x@y.
    assume(not re.match(r"\d*([/?#\s]|$)", secret))
    assume(secret not in f"{scheme}://{user}@example.org/path")
    assert secret not in redact_url(f"{scheme}://{user}:{secret}@example.org/path")
    assert redact_url(f"{scheme}://{user}:{secret}@example.org/path").endswith("example.org/path")


@given(st.lists(st.text(max_size=60), max_size=6))
def test_any_command_keeps_its_number_of_words_and_is_stable(words: list[str]) -> None:
    kept = redact_command(words)
    assert len(kept) == len(words)
    assert redact_command(kept) == kept


@pytest.mark.parametrize("piece", ["a", "a:", '"', "a b ", "x=", "https://", "\\\"'"])
def test_a_long_argument_takes_no_long_time(piece: str) -> None:
    start = time.perf_counter()
    assert len(redact_command([piece * 20_000])) == 1
    assert time.perf_counter() - start < 2
