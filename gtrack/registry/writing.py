"""Make registry tags: all that one verb asks for, or none; asked anew when another writer was quicker."""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gtrack.errors import GTrackError, RefChanged
from gtrack.git.remotes import without_secrets
from gtrack.git.signing import wants_signing
from gtrack.git.tags import make_tags, place_tags
from gtrack.registry.publish import publish
from gtrack.store.locks import turn

if TYPE_CHECKING:
    from gtrack.git.objects import Identity
    from gtrack.git.repo import Repository
    from gtrack.registry.acts import Act
    from gtrack.registry.plans import Plan
    from gtrack.registry.reader import RegistryReader
    from gtrack.registry.renaming import Renamed

_TRIES = 20
_LOCK_SECONDS = 10.0


@dataclass(frozen=True)
class Terms:
    """How a write is made, beside what it says.

    Attributes:
        sign: sign the tags; as git's ``tag.gpgSign`` says, or the stage demands, when None.
        remote: publish them there at once, by name or URL; they stay here when None.
        approvals: who approves, ``Name <address>`` each.
        force: do it although the stage's policy is against it, where that allows it.
        tell: is told of each tag that was made here before and could not be published as it was made; a warning says so, when
            None.
    """

    sign: bool | None = None
    remote: str | None = None
    approvals: tuple[str, ...] = ()
    force: bool = False
    tell: Callable[[Renamed], None] | None = None


class TagWriter:
    """Writes the tags of one repository.

    Args:
        repo: the repository.
        reader: what its tags say.
        identity: who makes tags.
    """

    def __init__(self, repo: Repository, reader: RegistryReader, identity: Callable[[], Identity]) -> None:
        self._repo = repo
        self._reader = reader
        self._identity = identity

    def signs(self, terms: Terms, *, demanded: bool = False) -> bool:
        """Tell whether tags are signed."""
        return terms.sign if terms.sign is not None else demanded or wants_signing(self._repo)

    def write(
        self,
        name: str,
        plan: Plan,
        terms: Terms,
        *,
        sign: bool,
        accept: Callable[[Sequence[Act], Sequence[str]], None] = lambda _acts, _oids: None,
    ) -> None:
        """Make the tags that ``plan`` asks for.

        Args:
            name: the model.
            plan: says which, from what the tags say.
            terms: where to.
            sign: whether they are signed.
            accept: looks at the acts and the ids of the tag objects that are made for them, and raises what is against them;
                only afterwards are they given their names.

        Raises:
            GTrackError: a tag that is none takes a name that is needed.
            GitError: git, or the remote, refuses; nothing is left of it.
        """

        def make(acts: Sequence[Act]) -> list[str]:
            oids = make_tags(self._repo, [act.tag() for act in acts], self._identity(), sign=sign)
            accept(acts, oids)
            return oids

        # So that two stages do not get one number; without a lock, the refs still decide.
        with turn(self._repo.common_dir / "gtrack" / "registry.lock", _LOCK_SECONDS):
            if terms.remote is not None:
                again = publish(self._repo, self._reader, terms.remote, name, plan, make, self._identity())
            else:
                again = ()
                self._write_here(name, plan, make)
        for one in self._reader.with_run_names(again):
            if terms.tell is not None:
                terms.tell(one)
            else:  # at the line that promotes, in a script
                warnings.warn(f"gtrack: {one.told(without_secrets(terms.remote or ''))}", stacklevel=5)

    def _write_here(self, name: str, plan: Plan, make: Callable[[Sequence[Act]], list[str]]) -> None:
        for attempt in range(1, _TRIES + 1):
            ledger = self._reader.ledger(name)
            acts = plan(ledger)
            if not acts:
                return
            names = [str(act.name) for act in acts]
            try:
                place_tags(self._repo, dict(zip(names, make(acts), strict=True)), self._identity())
                return
            except RefChanged as error:
                wrong = next((one for one in ledger.problems if one.tag in names), None)
                if wrong is not None:
                    raise GTrackError(
                        f"{wrong.tag} cannot be made: there is a tag of this name, and {wrong.text}. Remove it first: "
                        f"git tag -d '{wrong.tag}'."
                    ) from error
                if attempt == _TRIES:
                    raise
                time.sleep(random.SystemRandom().uniform(0, 0.02 * attempt))
