"""The names of registry tags: GTO's grammar (https://github.com/treeverse/gto) as one table and one regular expression.

=================  ==========================================================
``m@v1.2.3``       registers a version of the model ``m`` (SemVer 2 with ``v``)
``m@v1.2.3!``      takes that version back
``m#stage#5``      puts the version that the tag's commit is into a stage
``m#stage!#6``     takes it out again
``m@deprecated``   retires the model
``m@created``      announces it; means nothing else
=================  ==========================================================

Any of them may end in a counter ``#N``. A model may be called ``directory:name``; git forbids the colon, so the tag has ``=``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from gtrack.errors import InvalidName, UsageError
from gtrack.records import MLFLOW_STAGES

_NAME = r"[a-zA-Z0-9](?:[a-zA-Z0-9-/_]*[a-zA-Z0-9])?"
_DIRECTORY = r"[a-zA-Z0-9-_./]+"
_NUMBER = r"(?:0|[1-9][0-9]*)"
_PRERELEASE = r"(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
_BUILD = r"[0-9a-zA-Z-]+"
# https://semver.org/spec/v2.0.0.html
_SEMVER = rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_PRERELEASE}(?:\.{_PRERELEASE})*)?(?:\+{_BUILD}(?:\.{_BUILD})*)?"
_TAG = re.compile(
    rf"(?P<model>(?:{_DIRECTORY}=)?{_NAME})"
    rf"(?:(?:#(?P<stage>{_NAME})|@(?P<version>v{_SEMVER}))(?P<cancel>!?)|@(?P<word>deprecated|created))"
    r"(?:#(?P<counter>[0-9]+))?\Z",
    re.ASCII,
)
_MODEL = re.compile(rf"(?:{_DIRECTORY}:)?{_NAME}\Z")
_STAGE = re.compile(rf"{_NAME}\Z")
_VERSION = re.compile(
    rf"v(?P<major>{_NUMBER})\.(?P<minor>{_NUMBER})\.(?P<patch>{_NUMBER})"
    rf"(?:-(?P<prerelease>[0-9a-zA-Z.-]+))?(?:\+[0-9a-zA-Z.-]+)?\Z"
)
_WHOLE_VERSION = re.compile(rf"v{_SEMVER}\Z")
_REFERENCE = re.compile(
    rf"(?P<model>(?:{_DIRECTORY}:)?{_NAME})(?:#(?P<stage>{_NAME})|@(?P<which>v?{_SEMVER}|v?[1-9][0-9]*|latest|greatest))\Z"
)
# What the grammar allows and git does not: https://git-scm.com/docs/git-check-ref-format
_REFUSED_BY_GIT = re.compile(r"//|\.\.|(?:\A|/)\.|\.lock(?:/|\Z)|\A[-/]|[/.]\Z|\./")
_LONGEST = 240
"""Characters of a tag name; a file system allows 255, and git adds ``.lock``."""
GRAMMAR = "letters, digits, '-', '_' and '/', beginning and ending with a letter or a digit"

NO_STAGE = "none"


class Action(str, Enum):
    """What a registry tag does."""

    REGISTER = "register"
    DEREGISTER = "deregister"
    ASSIGN = "assign"
    UNASSIGN = "unassign"
    DEPRECATE = "deprecate"
    CREATE = "create"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Form:
    """How the tags of one action are called, and the first line of their message as GTO writes it."""

    tag: str
    subject: str


FORMS: Mapping[Action, Form] = {
    Action.REGISTER: Form("{model}@{version}", "Registering artifact {model} version {version}"),
    Action.DEREGISTER: Form("{model}@{version}!", "Deregistering artifact {model} version {version}"),
    Action.ASSIGN: Form("{model}#{stage}", "Assigning stage {stage} to artifact {model} version {version}"),
    Action.UNASSIGN: Form("{model}#{stage}!", "Unassigning stage '{stage}' to artifact '{model}' version '{version}'"),
    Action.DEPRECATE: Form("{model}@deprecated", "Deprecating artifact '{model}'"),
    Action.CREATE: Form("{model}@created", "Creating artifact '{model}'"),
}
_BY_WORD = {"deprecated": Action.DEPRECATE, "created": Action.CREATE}


@dataclass(frozen=True)
class TagName:
    """What the name of a registry tag says.

    Attributes:
        action: what it does.
        model: the model, with a colon after its directory.
        version: ``v1.2.3``, of the actions on versions.
        stage: of the actions on stages.
        counter: the number after ``#``; None when there is none.
    """

    action: Action
    model: str
    version: str | None = None
    stage: str | None = None
    counter: int | None = None

    def __str__(self) -> str:
        name = FORMS[self.action].tag.format(
            model=model_in_tag(self.model), version=self.version or "", stage=self.stage or ""
        )
        return name if self.counter is None else f"{name}#{self.counter}"

    def subject(self, version: str | None = None) -> str:
        """Return the first line of the tag's message as GTO writes it; ``version`` is the one that a stage is about."""
        return FORMS[self.action].subject.format(model=self.model, version=self.version or version, stage=self.stage)

    def numbered(self, counter: int) -> TagName:
        """Return the same with another counter."""
        return replace(self, counter=counter)


def parse(name: str) -> TagName | None:
    """Return what the name of a tag says, None when it is no registry tag."""
    found = _TAG.match(name) if len(name) <= _LONGEST else None
    if found is None:
        return None
    model, stage, version = found["model"].replace("=", ":"), found["stage"], found["version"]
    counter = int(found["counter"]) if found["counter"] else None
    if found["word"]:
        return TagName(_BY_WORD[found["word"]], model, counter=counter)
    if version:
        action = Action.DEREGISTER if found["cancel"] else Action.REGISTER
    else:
        action = Action.UNASSIGN if found["cancel"] else Action.ASSIGN
    return TagName(action, model, version, stage, counter)


def looks_like(name: str) -> bool:
    """Tell whether the name of a tag that ``parse`` does not take was meant to be one: ``churn@1.0``, ``churn#prod uction``."""
    before, mark, after = name.partition("#")
    if mark and before and after:
        return True
    before, mark, after = name.partition("@")
    return bool(before) and re.match(r"v?[0-9]+\.[0-9]|deprecated|created", after) is not None


def model_in_tag(model: str) -> str:
    """Return the name of a model as it stands in tags."""
    return model.replace(":", "=")


def check_model(name: object) -> str:
    """Return ``name`` when it can name a model.

    Raises:
        InvalidName: it cannot; the message shows the grammar.
    """
    return _checked(name, "model", _MODEL, " (or 'directory:name')")


def check_stage(name: object) -> str:
    """Return the name of a stage as it is written in tags: MLflow's stages small, all others as they are.

    Raises:
        InvalidName: it can name no stage; the message shows the grammar.
    """
    stage = _checked(name, "stage", _STAGE)
    small = stage.lower()
    if small == NO_STAGE:
        raise InvalidName(f"{stage!r} is no stage but the absence of one: take the version out of the stage it is in.")
    return small if small in MLFLOW_STAGES else stage


def is_no_stage(name: object) -> bool:
    """Tell whether ``name`` is MLflow's name for being in no stage."""
    return isinstance(name, str) and name.lower() == NO_STAGE


def _checked(name: object, what: str, pattern: re.Pattern[str], more: str = "") -> str:
    if not isinstance(name, str) or not pattern.match(name):
        raise InvalidName(f"{name!r} cannot name a {what}. A {what} is called by {GRAMMAR}{more}.")
    if len(name) > _LONGEST // 2:
        raise InvalidName(f"The {what} name {name[:40]!r}… has {len(name)} characters; {_LONGEST // 2} is the limit.")
    refused = _REFUSED_BY_GIT.search(name)
    if refused:
        raise InvalidName(f"{name!r} cannot name a {what}: git refuses {refused.group()!r} there in the name of a tag.")
    return name


def check_version(text: object) -> str:
    """Return ``text`` as a version that can be registered, with its ``v``.

    Raises:
        InvalidName: it is none.
    """
    version = f"v{text}" if isinstance(text, str) and not text.startswith("v") else text
    if not isinstance(version, str) or not _WHOLE_VERSION.match(version) or len(version) > _LONGEST // 4:
        raise InvalidName(
            f"{text!r} is no version. Versions are semantic versions with a v, such as v1.4.0 or v2.0.0-rc.1."
        )
    if version.endswith(".lock"):
        raise InvalidName(f"{text!r} cannot be a version: git refuses tags whose name ends in '.lock'.")
    return version


@dataclass(frozen=True)
class Reference:
    """What ``model@version`` or ``model#stage`` asks for.

    Attributes:
        model: the model.
        stage: the stage, as it is written in tags.
        which: ``3``, ``v3``, ``v1.2.3``, ``1.2.3``, ``latest`` or ``greatest``.
    """

    model: str
    stage: str | None = None
    which: str | None = None


def parse_reference(text: str) -> Reference | None:
    """Return what a reference to a model version asks for, None when it is no such reference."""
    found = _REFERENCE.match(text) if len(text) <= _LONGEST else None
    if found is None:
        return None
    if not found["stage"]:
        return Reference(found["model"], which=found["which"])
    return None if is_no_stage(found["stage"]) else Reference(found["model"], stage=check_stage(found["stage"]))


Precedence = tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...]]


def precedence(version: str) -> Precedence:
    """Return what sorts versions as SemVer does: https://semver.org/#spec-item-11; ``version`` is a valid one."""
    found = _VERSION.match(version)
    if found is None:
        raise InvalidName(f"{version!r} is no version.")
    parts = (found["prerelease"] or "").split(".") if found["prerelease"] else []
    before = tuple((not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts)
    return int(found["major"]), int(found["minor"]), int(found["patch"]), not before, before


BUMPS = ("major", "minor", "patch")
FIRST_VERSION = "v1.0.0"


def check_bump(bump: str) -> str:
    """Return ``bump`` when it is a part of a version.

    Raises:
        UsageError: it is none.
    """
    if bump not in BUMPS:
        raise UsageError(f"bump is {', '.join(BUMPS[:-1])} or {BUMPS[-1]}, not {bump!r}.")
    return bump


def bumped(version: str, bump: str) -> str:
    """Return the next version: ``v2.0.0`` after ``v1.4.2`` by ``major``; the release after a pre-release of that very one."""
    major, minor, patch, released, _ = precedence(version)
    if bump == "major":
        return f"v{major}.0.0" if not released and minor == patch == 0 else f"v{major + 1}.0.0"
    if bump == "minor":
        return f"v{major}.{minor}.0" if not released and patch == 0 else f"v{major}.{minor + 1}.0"
    return f"v{major}.{minor}.{patch}" if not released else f"v{major}.{minor}.{patch + 1}"
