"""Bare repositories over HTTP with basic authentication: lighttpd and `git http-backend`; Ana may push, Ben only reads."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import run_git
from tests.remotes.ports import free_port, program, server

PASSWORDS = {"ana": "a-secret", "ben": "b-secret"}

_CONFIG = """\
server.modules = ("mod_alias", "mod_auth", "mod_authn_file", "mod_cgi", "mod_setenv")
server.document-root = "{root}"
server.bind = "127.0.0.1"
server.port = {port}
server.errorlog = "{place}/error.log"
server.upload-dirs = ("{place}")
auth.backend = "htpasswd"
auth.backend.htpasswd.userfile = "{place}/htpasswd"
alias.url = ("/git/" => "{backend}/")
$HTTP["url"] =~ "^/git/" {{
    cgi.assign = ("" => "")
    setenv.add-environment = (
        "GIT_PROJECT_ROOT" => "{root}", "GIT_HTTP_EXPORT_ALL" => "1", "PATH" => "{path}", "HOME" => "{place}",
        "GIT_CONFIG_NOSYSTEM" => "1", "GIT_CONFIG_COUNT" => "1", "GIT_CONFIG_KEY_0" => "safe.directory",
        "GIT_CONFIG_VALUE_0" => "*"
    )
    auth.require = ("" => ("method" => "basic", "realm" => "git", "require" => "valid-user"))
}}
$HTTP["url"] =~ "^/git/.*/git-receive-pack$" {{
    auth.require = ("" => ("method" => "basic", "realm" => "git", "require" => "user=ana"))
}}
$HTTP["querystring"] =~ "service=git-receive-pack" {{
    auth.require = ("" => ("method" => "basic", "realm" => "git", "require" => "user=ana"))
}}
"""


@contextmanager
def over_lighttpd(root: Path, place: Path) -> Iterator[str]:
    """Serve the bare repositories in ``root``, and give the URL that their names are added to; ``{who}`` in it is the user.

    Args:
        root: where the repositories are.
        place: an empty directory for the server's own files.
    """
    lines = [f"{who}:{{SHA}}{_sha(password)}\n" for who, password in PASSWORDS.items()]
    (place / "htpasswd").write_text("".join(lines))
    lighttpd = program("lighttpd", "lighttpd")
    port = free_port()
    backend = Path(run_git("--exec-path", cwd=place)) / "git-http-backend"
    config = place / "lighttpd.conf"
    config.write_text(
        _CONFIG.format(root=root, place=place, port=port, backend=backend, path=os.environ["PATH"]), encoding="utf-8"
    )
    with server([lighttpd, "-D", "-f", str(config)], port):
        yield f"http://{{who}}@127.0.0.1:{port}/git"


def _sha(password: str) -> str:
    return base64.b64encode(hashlib.sha1(password.encode(), usedforsecurity=False).digest()).decode()
