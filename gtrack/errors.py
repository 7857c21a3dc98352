"""Every error that gtrack raises on purpose.

One base, so that ``except GTrackError`` catches all of them; each also inherits the builtin that it is a kind of, so that
``except LookupError`` or ``except ValueError`` in user code works as the Python that it is.

::

    GTrackError                       exit 1
    ├── UsageError        ValueError  exit 2: the call itself is wrong
    │   ├── InvalidName               a run, experiment, parameter, metric or tag name
    │   ├── InvalidValue              a value that cannot be written
    │   ├── InvalidPath               an artifact path that escapes or cannot exist in git
    │   ├── ConfigError               .gtrack/config.yaml
    │   ├── UnknownParameter          a --param that the script does not have
    │   └── QueryError                a filter or an order that cannot be read
    ├── NotARepository    LookupError
    ├── RunNotFound       LookupError
    ├── ExperimentNotFound LookupError
    ├── AmbiguousRun      LookupError
    ├── ArtifactNotFound  LookupError
    ├── ModelNotFound     LookupError    a registered model, a version of it, or nothing in the stage
    ├── VersionExists     ValueError     a model version that was registered before
    ├── NoActiveRun       RuntimeError
    ├── RunIsActive       RuntimeError   a run that another process, or this one, is writing
    ├── RunEnded          RuntimeError   a run that its owner has ended while somebody else wrote it
    ├── ParamConflict     ValueError     a parameter logged twice with two values
    ├── ArtifactError     OSError        a file that cannot be taken as it is
    ├── FormatError       ValueError     bytes that are not what the format says
    ├── UntrustedModel    PermissionError  a model whose loading could run code of somebody else
    ├── MissingLibrary    ImportError    a model needs a library that is not installed here
    ├── CommitFailed      RuntimeError   the run is complete on disk but is not in git
    └── GitError          RuntimeError   git said no
        └── RefChanged                   somebody moved the ref first
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the known name closest to ``name``, or an empty string."""
    from difflib import get_close_matches  # noqa: PLC0415 - only a name that is wrong pays for it

    close = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""


class GTrackError(Exception):
    """Base of all errors that gtrack raises on purpose; ``str(error)`` is the whole message for a person."""

    exit_code = 1


class UsageError(GTrackError, ValueError):
    """The call is wrong: nothing was done."""

    exit_code = 2


class InvalidName(UsageError):
    """A name that gtrack cannot store."""


class InvalidValue(UsageError):
    """A value that gtrack cannot store."""


class InvalidPath(UsageError):
    """A path inside a run directory that is unsafe."""


class ConfigError(UsageError):
    """`.gtrack/config.yaml` is not what it should be."""


class UnknownParameter(UsageError):
    """A ``--param`` that the script does not have."""

    @classmethod
    def of(cls, name: str, script: str, known: Sequence[str]) -> UnknownParameter:
        """Build the message that names the nearest parameter of ``script`` and lists the others."""
        has = f"It has: {', '.join(known)}." if known else "It has no parameters that gtrack can set."
        return cls(f"{script} has no parameter {name!r}.{nearest(name, known)} {has}")


class QueryError(UsageError):
    """A filter or an order that cannot be read.

    Args:
        message: what is wrong, with the text and a caret under the place.
        text: the whole filter or order.
        position: index of the first character in it that is wrong.
        expected: what could have stood there; may be empty.
    """

    def __init__(self, message: str, text: str = "", position: int = 0, expected: str = "") -> None:
        super().__init__(message)
        self.text = text
        self.position = position
        self.expected = expected


class NotARepository(GTrackError, LookupError):
    """There is no git repository here."""

    @classmethod
    def at(cls, path: str) -> NotARepository:
        """Build the message for ``path``."""
        return cls(
            f"{path} is not inside a git repository. Run 'gtrack init' (or gtrack.init()) to make one here, "
            "or name one with -C DIR or GTRACK_REPO."
        )


class RunNotFound(GTrackError, LookupError):
    """No run answers to the reference."""

    @classmethod
    def of(cls, ref: str, hint: str = "") -> RunNotFound:
        """Build the message for ``ref``; ``hint`` is a further sentence."""
        return cls(f"No run {ref!r} in this repository.{hint} 'gtrack ls' lists the runs.")


class ExperimentNotFound(GTrackError, LookupError):
    """There is no experiment of the name."""

    @classmethod
    def of(cls, name: str, known: Iterable[str]) -> ExperimentNotFound:
        """Build the message for ``name``, with the nearest of those that are ``known``."""
        return cls(
            f"No experiment {name!r} in this repository.{nearest(name, known)} 'gtrack experiments' lists them; "
            "create_experiment() or set_experiment() makes one."
        )

    @classmethod
    def nothing_to_push(cls, name: str, known: Iterable[str]) -> ExperimentNotFound:
        """Build the message for ``name``, where one that is made only now would not help."""
        return cls(
            f"No experiment {name!r} on the runs branch of this repository.{nearest(name, known)} 'gtrack experiments' lists "
            "those that can be pushed."
        )


class AmbiguousRun(GTrackError, LookupError):
    """A prefix that several runs share."""

    @classmethod
    def of(cls, ref: str, candidates: Sequence[str]) -> AmbiguousRun:
        """Build the message that lists the ``candidates``."""
        shown = "\n".join(f"  {line}" for line in candidates[:10])
        more = f"\n  … and {len(candidates) - 10} more" if len(candidates) > 10 else ""
        return cls(f"{ref!r} could be {len(candidates)} runs; give more digits:\n{shown}{more}")


class ArtifactNotFound(GTrackError, LookupError):
    """The run has no such artifact."""

    @classmethod
    def of(cls, run: str, path: str, known: Sequence[str]) -> ArtifactNotFound:
        """Build the message for ``path`` of ``run``."""
        has = f"It has: {', '.join(known[:10])}{' …' if len(known) > 10 else ''}." if known else "It has no artifacts."
        return cls(f"Run {run} has no artifact {path!r}.{nearest(path, known)} {has}")


class ModelNotFound(GTrackError, LookupError):
    """There is no such registered model, no such version of it, or no version in the stage."""

    @classmethod
    def of(cls, name: str, known: Sequence[str]) -> ModelNotFound:
        """Build the message for the model ``name``, with the nearest of those that are ``known``."""
        has = f"Registered here: {', '.join(known[:10])}{' …' if len(known) > 10 else ''}." if known else "None is."
        return cls(f"No model {name!r} is registered in this repository.{nearest(name, known)} {has}")


class VersionExists(GTrackError, ValueError):
    """A model version cannot be registered because it, or one like it, was before."""


class NoActiveRun(GTrackError, RuntimeError):
    """A logging verb was called where no run can be meant."""


class RunIsActive(GTrackError, RuntimeError):
    """The run is being written by somebody."""


class RunEnded(GTrackError, RuntimeError):
    """The run was ended by the process that owns it, or removed: what is written now may not be kept."""


class ParamConflict(GTrackError, ValueError):
    """A parameter was logged twice with two values."""

    @classmethod
    def of(cls, key: str, old: object, new: object) -> ParamConflict:
        """Build the message with both values."""
        return cls(
            f"Parameter {key!r} is already {old!r} in this run and cannot become {new!r}: a parameter has one value. "
            "Log what changes as a metric, or start another run."
        )


class ArtifactError(GTrackError, OSError):
    """A file that cannot be taken as an artifact as it is."""


class FormatError(GTrackError, ValueError):
    """Bytes that are not what the run format says."""


class UntrustedModel(GTrackError, PermissionError):
    """Loading this model can run code, and nobody said that its origin is trusted."""


class MissingLibrary(GTrackError, ImportError):
    """A model needs a library that cannot be imported here."""


class CommitFailed(GTrackError, RuntimeError):
    """A run is complete in its live directory but could not be committed."""


class GitError(GTrackError, RuntimeError):
    """A git command failed."""


class RefChanged(GitError):
    """A ref was not where it was expected to be: somebody else moved it first."""
