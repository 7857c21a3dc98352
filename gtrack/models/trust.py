"""Whose code may run: loading a pickle calls whatever it names, so it needs the caller's say.

So does a file that a library reads in C or C++ of its own: XGBoost and LightGBM crash on files that are not what they wrote,
and what crashes can be made to do more.

A file counts as ours by its content: its sha256 is among the digests that the caller knows. The digest is taken from the very
bytes that are then loaded, so nobody can put another file in its place between the two.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from gtrack.errors import FormatError, UntrustedModel
from gtrack.models.libraries import library

ARTIFACT_OF = "artifact of"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Trust:
    """What the caller says of a model's origin.

    Attributes:
        everything: whether any code in it may run.
        types: full names of the types that a skops file may make beside skops' own safe ones.
        known: tells whether a file of this sha256 was written here as a model's own; one among the artifacts of a Python model
            by what ``as_artifact`` makes of it.
    """

    everything: bool = False
    types: tuple[str, ...] = ()
    known: Callable[[str], bool] = lambda _: False

    @classmethod
    def of(cls, *, trust: bool | Sequence[str], trusted: Collection[str] | Callable[[str], bool] = ()) -> Trust:
        """Return the trust that the arguments of ``load_model`` say."""
        known = trusted if callable(trusted) else trusted.__contains__
        if isinstance(trust, bool):
            return cls(trust, (), known)
        return cls(everything=False, types=(trust,) if isinstance(trust, str) else tuple(trust), known=known)

    def admit(self, path: Path) -> bytes:
        """Return the bytes of a file whose loading runs code, read once.

        Raises:
            UntrustedModel: nothing says that it is trusted.
            FormatError: it cannot be read.
        """
        data = read(path)
        self._check(path, lambda: hashlib.sha256(data).hexdigest())
        return data

    def _check_tree(self, place: Path, model: str) -> None:
        for path in files_in(place):
            if path.is_symlink():
                raise UntrustedModel(f"{path.name}, a file of the model, is a link, so nobody knows what it leads to.")
            self._check(path, partial(_digest_as_artifact, path, model))

    def _check(self, path: Path, digest: Callable[[], str]) -> None:
        if self.everything or self.known(digest()):
            return
        no_list = " A list of types is no answer here: it only works for models in skops' format." * bool(self.types)
        raise UntrustedModel(
            f"Loading {path.name} can run code that it holds, and it was not logged on this machine in this repository. If "
            "you trust where it comes from, say so: load_model(…, trust=True), or --trust on the command line."
            f"{no_list}"
        )

    def unpickle(
        self, path: Path, load: Callable[[BinaryIO], Any] = pickle.load, artifacts: Sequence[Path] = ()
    ) -> Any:
        """Return what a pickle holds.

        With ``everything`` trusted it is read as a stream: a large model is in memory once, not twice.

        Args:
            path: the pickle.
            load: reads it.
            artifacts: files and directories that the model opens by itself when it is loaded, which it unpickles as a rule:
                each file in them is checked before.

        Raises:
            UntrustedModel: nothing says that it is trusted, or that one of its artifacts is; or one of these leads elsewhere.
            FormatError: one cannot be read.
        """
        if not self.everything:
            data = self.admit(path)
            model = hashlib.sha256(data).hexdigest() if artifacts else ""
            for place in artifacts:
                self._check_tree(place, model)
            return load(io.BytesIO(data))  # which shares the bytes, and copies them only when written to
        try:
            with path.open("rb") as file:
                return load(file)
        except OSError as error:
            raise FormatError(f"{path} cannot be read: {error.strerror or error}.") from error

    def unskops(self, path: Path) -> Any:
        """Return what a skops file holds.

        Raises:
            UntrustedModel: it has types that nobody trusts.
            FormatError: it cannot be read.
        """
        skops_io = library("skops.io", f"{path.name}, a model in skops' format,")
        data = read(path)
        try:
            unknown = sorted(set(skops_io.get_untrusted_types(data=data)) - set(self.types))
        except Exception as error:  # skops raises what zipfile, json or its own reader stumbled over
            raise FormatError(f"{path} is no model in skops' format: {error}.") from error
        if unknown and not self.everything and not self.known(hashlib.sha256(data).hexdigest()):
            listed = ", ".join(repr(name) for name in unknown)
            raise UntrustedModel(
                f"{path.name} makes objects of types that are not known to be safe: {', '.join(unknown)}. If you trust them, say "
                f"so: load_model(…, trust=[{listed}]), or trust=True for all that it holds."
            )
        return skops_io.loads(data, trusted=[*self.types, *unknown])


def as_artifact(digest: str, model: str) -> str:
    """Return the digest of a file as one that lies among the artifacts of the Python model whose pickle has another digest.

    Such a file may be anything, also somebody else's pickle that this model only looks at: it must never count as a model, nor
    as an artifact of a model that opens it.
    """
    return f"{digest} {ARTIFACT_OF} {model}"


class HashingFile:
    """A file that is written and digested in one go."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    def write(self, data: Any) -> int:
        """Write ``data``, any buffer, without a copy of it."""
        view = memoryview(data).cast("B")
        self._digest.update(view)
        self._file.write(view)
        return len(view)

    @property
    def sha256(self) -> str:
        """The digest of what was written so far, in hexadecimal digits."""
        return self._digest.hexdigest()


def read(path: Path) -> bytes:
    """Return the bytes of a file of a model.

    Raises:
        FormatError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror or error}.") from error


def files_in(place: Path) -> list[Path]:
    """Return the files below a directory in order, or the one file; links are among them, whatever they lead to."""
    if place.is_symlink() or not place.is_dir():
        return [place]
    return [path for path in sorted(place.rglob("*")) if path.is_symlink() or not path.is_dir()]


def sha256_of(path: Path) -> str:
    """Return the digest of a file, read piece by piece.

    Raises:
        FormatError: it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror or error}.") from error
    return digest.hexdigest()


def _digest_as_artifact(path: Path, model: str) -> str:
    return as_artifact(sha256_of(path), model)
