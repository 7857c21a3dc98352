"""Find a version of a model among those that are registered, or say what is there instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gtrack.errors import ModelNotFound, UsageError, nearest
from gtrack.registry.tag_names import Reference, check_model, parse_reference, precedence

if TYPE_CHECKING:
    from gtrack.records import ModelVersion, RegisteredModel
    from gtrack.registry.ledger import Ledger

_FORMS = "'churn@3' or 'churn@v3' (the third version), 'churn@v1.4.0', 'churn@latest', or 'churn#production' (what is in a stage)"
_SHOWN = 10


def refer(ref: str) -> Reference:
    """Return what a reference asks for; a model alone means its latest version.

    Raises:
        UsageError: it is no such reference.
    """
    wanted = parse_reference(ref)
    if wanted is not None:
        return wanted
    if "@" in ref or "#" in ref:
        raise UsageError(f"{ref!r} names no model version. Give {_FORMS}.")
    return Reference(check_model(ref), which="latest")


def known_model(ledger: Ledger, name: str) -> RegisteredModel:
    """Return a model by name.

    Raises:
        ModelNotFound: there is none; the message names the nearest.
    """
    model = ledger.models.get(name)
    if model is None:
        raise ModelNotFound.of(name, list(ledger.models))
    return model


def find_version(model: RegisteredModel, wanted: Reference) -> ModelVersion:
    """Return the version of ``model`` that is asked for.

    Raises:
        ModelNotFound: there is none; the message says what there is.
        UsageError: it could be two.
    """
    if wanted.stage is not None:
        return _in_stage(model, wanted.stage)
    which = wanted.which or "latest"
    found = _named(model, which)
    if len(found) > 1:
        could = " or ".join(f"{model.name}@{one.version} ({one.semver})" for one in found)
        raise UsageError(
            f"{model.name}@{which} could be {could}. Write the number without the v, or the whole version."
        )
    if found:
        return found[0]
    gone = next((one for one in model.withdrawn if which in {str(one.version), one.semver, f"v{one.version}"}), None)
    if gone is not None:
        raise ModelNotFound(f"Version {gone.version} of {model.name} ({gone.semver}) was taken back (deregistered).")
    raise ModelNotFound(f"Model {model.name} has no version {which}.{_has(model, which)}")


def same_version(model: RegisteredModel, was: ModelVersion) -> ModelVersion:
    """Return the version of ``model`` that another look at it gave, whatever it is called by now.

    Raises:
        ModelNotFound: it is none any more.
    """
    there = [one for one in model.versions if one.commit == was.commit]
    found = next((one for one in there if one.semver == was.semver), next(iter(there), None))
    found = found or next((one for one in model.versions if was.run_id and one.run_id == was.run_id), None)
    if found is None:
        what = f"Version {was.version} of {model.name} ({was.semver})"
        raise ModelNotFound(f"{what} is none any more: it was taken back meanwhile, or its tag is gone.")
    return found


def _named(model: RegisteredModel, which: str) -> list[ModelVersion]:
    versions = model.versions
    if which == "latest":
        return list(versions[-1:])
    if which == "greatest":
        return [max(versions, key=lambda one: precedence(one.semver))] if versions else []
    number = which.removeprefix("v")
    if "." in number:
        return [one for one in versions if one.semver == f"v{number}"]
    # v3 is what people call the third version; where somebody registered another one as v3.0.0, it could be either.
    alike = {number} if which == number else {number, f"v{number}.0.0"}
    return [one for one in versions if str(one.version) in alike or one.semver in alike]


def _has(model: RegisteredModel, which: str) -> str:
    if not model.versions:
        return " It has none."
    hint = nearest(which, [one.semver for one in model.versions])
    shown = ", ".join(f"{one.version} ({one.semver})" for one in model.versions[-_SHOWN:])
    more = "… " if len(model.versions) > _SHOWN else ""
    return f"{hint} It has: {more}{shown}."


def _in_stage(model: RegisteredModel, stage: str) -> ModelVersion:
    found = model.in_stage(stage)
    if found is not None:
        return found
    used = sorted(model.stages)
    has = f"Its stages are: {', '.join(used)}." if used else "None of its versions is in a stage."
    raise ModelNotFound(f"No version of model {model.name} is in the stage {stage}.{nearest(stage, used)} {has}")
