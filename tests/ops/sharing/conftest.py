"""Remotes of all three kinds, and clones of them in which runs are made."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import run_git
from tests.ops.sharing.people import Person
from tests.remotes.lighttpd import PASSWORDS, over_lighttpd
from tests.remotes.sshd import Ssh, over_sshd


@dataclass(frozen=True)
class Served:
    """Bare repositories in ``root``, over http and over ssh."""

    root: Path
    http: str
    ssh: Ssh


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Return the servers, started once for the tests of a module."""
    root, web, secure = (tmp_path_factory.mktemp(name) for name in ("root", "lighttpd", "sshd"))
    with over_lighttpd(root, web) as http, over_sshd(secure) as ssh:
        yield Served(root, http, ssh)


@pytest.fixture
def bare(repo: Path, tmp_path: Path) -> Path:
    """Return a bare repository, which ``repo`` has for its remote ``origin``."""
    place = tmp_path / "bare.git"
    run_git("clone", "--quiet", "--bare", str(repo), str(place), cwd=tmp_path)
    run_git("remote", "add", "origin", str(place), cwd=repo)
    return place


@pytest.fixture
def ana(repo: Path, bare: Path) -> Iterator[Person]:
    """Return Ana, whose clone is ``repo``."""
    person = Person(repo)
    yield person
    person.project.close()


@pytest.fixture
def ben(ana: Person, bare: Path, tmp_path: Path) -> Iterator[Person]:
    """Return Ben, who has cloned with git before there was any run."""
    person = ana.colleague("Ben", bare, tmp_path / "ben")
    yield person
    person.project.close()


@pytest.fixture(params=["file", "http", "ssh"])
def remote_url(
    request: pytest.FixtureRequest, first_commit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Return the URL of a bare repository with one commit of code, for partial clones too: each way to reach one."""
    if request.param == "file":
        return f"file://{_bare_at(tmp_path / 'bare.git', first_commit)}"
    servers: Served = request.getfixturevalue("served")
    place = _bare_at(servers.root / f"{tmp_path.name}.git", first_commit)
    if request.param == "ssh":
        monkeypatch.setenv("GIT_SSH_COMMAND", servers.ssh.command)
        return f"{servers.ssh.url}{place}"
    for who, password in PASSWORDS.items():
        remember_password(servers.http.format(who=who), who, password)
    return f"{servers.http.format(who='ana')}/{place.name}"


def _bare_at(place: Path, source: Path) -> Path:
    run_git("clone", "--quiet", "--bare", str(source), str(place), cwd=place.parent)
    for leave in ("allowFilter", "allowAnySHA1InWant"):  # as on a server of ours
        run_git("config", f"uploadpack.{leave}", "true", cwd=place)
    return place


def remember_password(url: str, who: str, password: str) -> None:
    """Let git keep a password, as people do."""
    run_git("config", "--global", "credential.helper", "store", cwd=Path.cwd())
    host = url.partition("@")[2].partition("/")[0]
    said = f"protocol=http\nhost={host}\nusername={who}\npassword={password}\n\n"
    subprocess.run(["git", "credential", "approve"], input=said.encode(), check=True)
