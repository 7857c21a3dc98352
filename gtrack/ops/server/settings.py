"""What the settings on the default branch of a bare repository say: the policy by which its hook judges."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from gtrack.config import DIRECTORY, FILE, Config, parse
from gtrack.errors import ConfigError
from gtrack.registry.registry import Rules
from gtrack.registry.stage_policy import parse_stages

if TYPE_CHECKING:
    from gtrack.git.repo import Repository

PATH = f"{DIRECTORY}/{FILE}"


class ServerSettings:
    """The settings on the default branch as of now.

    Args:
        repo: a repository, as a rule a bare one.

    Attributes:
        default: the full name of the default branch, which ``HEAD`` names; None when it names none.
        config: the settings; the defaults where there are none, or none that can be read.
        rules: what stages demand; who may sign is not among it, see ``signers``.
        problem: why there is no policy to judge by; None when there is one.
        unreadable: whether the settings are there and cannot be read, so that even the name of the runs branch is unknown.
    """

    def __init__(self, repo: Repository) -> None:
        self._repo = repo
        self.default = repo.run("symbolic-ref", "--quiet", "HEAD", ok=(0, 1)).decode(errors="replace").strip() or None
        self.config = Config()
        self.rules = Rules()
        self.problem: str | None = None
        self.unreadable = False
        tip = repo.resolve("HEAD")
        if tip is None:
            self.problem = (
                f"the default branch, whose {PATH} says who may promote what, is not on the server: its HEAD names "
                f"{self.default or 'none'}. Push that branch first, or on the server: git symbolic-ref HEAD refs/heads/main"
            )
            return
        try:
            self.config = self.read(tip)
            self.rules = Rules(parse_stages(self.config.stages, f"{PATH}: registry.stages"))
        except ConfigError as error:
            self.unreadable = True
            self.problem = f"the settings on the default branch cannot be read: {error} Mend them there first"

    def read(self, commit: str) -> Config:
        """Return the settings that a commit holds.

        Raises:
            ConfigError: they cannot be read.
        """
        found = self._repo.objects.get(f"{commit}:{PATH}")
        return Config() if found is None else parse(found.data, PATH)

    def check(self, commit: str) -> None:
        """Check that the settings of a commit can be read.

        Raises:
            ConfigError: they cannot.
        """
        parse_stages(self.read(commit).stages, f"{PATH}: registry.stages")

    @contextmanager
    def signers(self) -> Iterator[Path | None]:
        """Give a file with whose SSH signatures count; None where the settings leave that to git's own.

        A file that they name and that is not there is nobody's.
        """
        if self.config.allowed_signers is None:
            yield None
            return
        found = self._repo.objects.get(f"HEAD:{self.config.allowed_signers}")
        with TemporaryDirectory(prefix="gtrack-signers-") as directory:
            path = Path(directory) / "allowed_signers"
            path.write_bytes(found.data if found is not None and found.kind == "blob" else b"")
            yield path

    def keeps(self, branch: str) -> bool:
        """Tell whether a branch, by its full name, may only be added to: any, while nobody can tell which one has the runs."""
        return self.unreadable or branch in {self.default, self.config.ref}
