"""What a backup needs in a partial clone: brought, and held, before the remote that has it loses it by a purge.

Such a clone has of its remote what it has asked for. Nor is all that it made itself sure to be here: before 2.48, ``git gc``
takes away what a fetched commit refers to, since the remote has that (https://git-scm.com/docs/partial-clone). A pack with a
``.keep`` beside it is left alone; in that file stand the backups that it is for, one a line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gtrack.git.promisor import ObjectsMissing, is_partial, prefetch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gtrack.git.progress import Tell
    from gtrack.git.repo import Repository
    from gtrack.store.purge import Backup


def hold(repo: Repository, backup: Backup, tip: str, tell: Tell = lambda *_: None) -> None:
    """Bring what a partial clone lacks of a backup, and keep all of it here.

    Args:
        repo: the repository; nothing happens in a whole one.
        backup: whose runs shall come back.
        tip: the branch as it is now; what it leads to stays with the remote.
        tell: is told how far git is.

    Raises:
        ObjectsMissing: the remote does not give them.
    """
    if not is_partial(repo) or any(backup.ref in names for _, names in _keeps(repo)):
        return
    here, absent = _reached(repo, backup.commit, tip)
    while absent:  # a directory that comes tells of files that are not here
        try:
            prefetch(repo, sorted(absent), tell, absent=True)
        except ObjectsMissing as error:
            # Asked for with the directory that it is in, a file is left out as one of those; it comes when it is asked for alone.
            if error.oids >= absent:
                raise
        here, absent = _reached(repo, backup.commit, tip)
    own = here - _from_remotes(repo)
    if own:
        place = repo.common_dir / "objects" / "pack"
        stdin = "".join(f"{oid}\n" for oid in sorted(own)).encode()
        made = repo.run("pack-objects", "-q", str(place / "pack"), stdin=stdin).decode().split()
        for name in made:
            with (place / f"pack-{name}.keep").open("a", encoding="ascii") as keep:
                keep.write(f"{backup.ref}\n")


def release(repo: Repository, backup: Backup) -> None:
    """Let git take away what was held for a backup alone."""
    for path, names in _keeps(repo):
        if backup.ref not in names:
            continue
        names.remove(backup.ref)
        if names:
            path.write_text("".join(f"{name}\n" for name in names), encoding="ascii")
        else:
            path.unlink()


def _keeps(repo: Repository) -> Iterator[tuple[Path, list[str]]]:
    for path in sorted((repo.common_dir / "objects" / "pack").glob("pack-*.keep")):
        yield path, path.read_text(encoding="utf-8", errors="replace").splitlines()


def _reached(repo: Repository, commit: str, tip: str) -> tuple[set[str], set[str]]:
    """Return what only the older state of a branch leads to: the objects that are here, and those that are not."""
    command = ("rev-list", "--objects", "--no-object-names", "--missing=print", commit, "--not", tip)
    told = repo.run(*command).decode().splitlines()
    return {one for one in told if not one.startswith("?")}, {one[1:] for one in told if one.startswith("?")}


def _from_remotes(repo: Repository) -> set[str]:
    """Return what was fetched: git never takes that away in a partial clone."""
    found: set[str] = set()
    for promised in (repo.common_dir / "objects" / "pack").glob("pack-*.promisor"):
        listing = repo.run("show-index", stdin=promised.with_suffix(".idx").read_bytes()).decode()
        found.update(line.split(" ")[1] for line in listing.splitlines())
    return found
