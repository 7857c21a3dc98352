"""Real keys to sign with: SSH by ssh-keygen, GPG by gpg, in directories of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import run_git


def ssh_key(path: Path, repo: Path | None = None) -> str:
    """Make a key pair at ``path``, have ``repo`` sign with it, and return the public key."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path)], check=True)
    if repo is not None:
        run_git("config", "gpg.format", "ssh", cwd=repo)
        run_git("config", "user.signingKey", str(path), cwd=repo)
    return path.with_name(f"{path.name}.pub").read_text().strip()


@contextmanager
def gpg_key(user: str) -> Iterator[dict[str, str]]:
    """Make a GPG key without a passphrase, and give the environment in which it is there."""
    home = tempfile.mkdtemp(prefix="g", dir="/tmp")  # the path of its socket may have 107 characters
    env = {**os.environ, "GNUPGHOME": home}
    try:
        command = ["gpg", "--batch", "--quiet", "--passphrase", "", "--quick-gen-key", user, "ed25519", "sign", "never"]
        subprocess.run(command, env=env, check=True, capture_output=True)
        yield {"GNUPGHOME": home}
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], env=env, check=False, capture_output=True)
        shutil.rmtree(home, ignore_errors=True)
