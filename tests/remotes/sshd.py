"""Bare repositories over ssh: an sshd on loopback, with keys that live as long as the test."""

from __future__ import annotations

import getpass
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.remotes.ports import free_port, program, server

_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {place}/host
AuthorizedKeysFile {place}/authorized
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AllowUsers {user}
SetEnv GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=*
"""


@dataclass(frozen=True)
class Ssh:
    """A server: the beginning of its URLs, which a path is added to, and the command by which git reaches it."""

    url: str
    command: str


@contextmanager
def over_sshd(place: Path) -> Iterator[Ssh]:
    """Run an sshd that lets this user in.

    Args:
        place: an empty directory for keys and settings.
    """
    sshd = program("sshd", "openssh-server")
    user, port = getpass.getuser(), free_port()
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(place / name)], check=True)
    (place / "authorized").write_bytes((place / "user.pub").read_bytes())
    host = (place / "host.pub").read_text().split()
    (place / "known").write_text(f"[127.0.0.1]:{port} {host[0]} {host[1]}\n")
    config = place / "sshd_config"
    config.write_text(_CONFIG.format(port=port, place=place, user=user))
    if os.geteuid() == 0:  # it will not start without
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    ssh = (
        f"ssh -F none -p {port} -i {place}/user -o IdentitiesOnly=yes -o BatchMode=yes "
        f"-o UserKnownHostsFile={place}/known -o StrictHostKeyChecking=yes -o LogLevel=ERROR"
    )
    with server([sshd, "-D", "-e", "-f", str(config)], port):
        yield Ssh(f"ssh://{user}@127.0.0.1:{port}", ssh)
