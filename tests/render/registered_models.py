"""Models, versions and tags made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from gtrack.git.signing import Signature, SignatureState
from gtrack.models.schema import Column, Tensor
from gtrack.models.signature import ModelSignature, Param
from gtrack.ops.code import CodeChange, FileChange
from gtrack.ops.compare import compare
from gtrack.ops.compare_versions import VersionComparison, title
from gtrack.ops.lineage import Lineage, ModelFiles
from gtrack.ops.model_history import UNSIGNED, Entry
from gtrack.ops.model_overview import ModelOverview
from gtrack.ops.model_stages import Placing, Stay, placings
from gtrack.records import Artifact, History, ModelVersion, RegisteredModel, Run
from gtrack.registry.ledger import Event
from gtrack.registry.tag_names import Action
from tests.render.conftest import ANA, NOW, environment, forest

BO = "Bo <bo@example.org>"
ESCAPE = "\x1b[31mred\u202e"
HOSTILE = f"[bold]{ESCAPE}[/bold] | <b>&amp;</b>"


def version(name: str, number: int, hours: float, **more: Any) -> ModelVersion:
    """Return a version that was registered some hours ago."""
    facts: dict[str, Any] = {
        "tag": f"{name}@v{number}.0.0",
        "semver": f"v{number}.0.0",
        "commit": f"{number:x}".rjust(2, "0") * 20,
        "run_id": f"{number:x}".rjust(2, "0") * 16,
        "artifact": "model",
        "created": NOW - timedelta(hours=hours),
        "user": ANA,
        "experiment": "RandomForest_Classification",
        "metrics": {"f1": 0.8 + number / 100, "accuracy": 0.9 + number / 1000, "loss": 1 / number},
    }
    return ModelVersion(name, number, **{**facts, **more})


def event(name: str, action: Action, hours: float, **more: Any) -> Event:
    """Return what a tag said some hours ago."""
    return Event(
        **{
            "tag": f"{name}#1",
            "action": action,
            "model": name,
            "time": NOW - timedelta(hours=hours),
            "user": ANA,
            **more,
        }
    )


def assigned(name: str, stage: str, number: int, hours: float, counter: int, **more: Any) -> Event:
    facts = {"stage": stage, "version": number, "semver": f"v{number}.0.0", "tag": f"{name}#{stage}#{counter}"}
    return event(name, Action.ASSIGN, hours, **{**facts, "counter": counter, **more})


def registered(one: ModelVersion) -> Event:
    message = f"Registering\n\nReason: {one.reason}\n" if one.reason else ""
    return Event(
        one.tag, Action.REGISTER, one.name, one.version, one.semver, time=one.created, user=one.user, message=message
    )


def churn() -> tuple[RegisteredModel, tuple[Event, ...]]:
    """Return a model with versions in several stages, one of them taken back."""
    name = "churn"
    stages = {"production": (3,), "staging": (2, 4), "champion": (3,), "archived": (1,)}
    versions = [
        version(
            name,
            number,
            24 * (7 - number),
            stages=tuple(stage for stage, numbers in stages.items() if number in numbers),
            reason="the first with balanced classes" if number == 3 else None,
            user=BO if number == 4 else ANA,
        )
        for number in range(1, 7)
        if number != 5
    ]
    withdrawn = version(name, 5, 48, registered=False)
    events = (
        *map(registered, versions),
        assigned(name, "production", 1, 130, 1),
        assigned(name, "production", 3, 90, 2, before=1, message="A\n\nReason: f1 0.83, was 0.81\n"),
        assigned(name, "staging", 2, 80, 3, user=BO),
        assigned(name, "staging", 4, 70, 4, user=BO),
        assigned(name, "champion", 3, 60, 5),
        assigned(name, "archived", 1, 50, 6),
        event(name, Action.DEREGISTER, 40, version=5, semver="v5.0.0", tag="churn@v5.0.0!"),
    )
    return RegisteredModel(name, tuple(versions), stages, (withdrawn,)), events


def many_stages() -> tuple[RegisteredModel, tuple[Event, ...]]:
    """Return a model of a long name whose versions are in many stages, and whose newest is in none."""
    name = "recommendations/very-long-name-of-a-model/europe"
    stages: dict[str, tuple[int, ...]] = {f"region-{number}": (number,) for number in range(1, 9)}
    stages["shadow"] = tuple(range(1, 30))
    versions = [
        version(
            name,
            number,
            number,
            semver=f"v1.{number}.0-rc.1",
            metrics={"validation/mean_average_precision_at_10": number / 100},
            stages=tuple(stage for stage, numbers in stages.items() if number in numbers),
        )
        for number in range(1, 31)
    ]
    events = [
        assigned(name, stage, numbers[-1], 5, at, user=None) for at, (stage, numbers) in enumerate(stages.items())
    ]
    return RegisteredModel(name, tuple(versions), stages), (*map(registered, versions), *events)


def odd() -> list[tuple[RegisteredModel, tuple[Event, ...]]]:
    """Return a retired model, one whose versions are all gone, and one of what strangers wrote."""
    retired = version("old", 1, 24 * 500)
    strange = version("strange", 1, 1, user=HOSTILE, metrics={HOSTILE: 0.5}, reason=HOSTILE, run_id=None, artifact=None)
    return [
        (RegisteredModel("old", (retired,), deprecated=True), (registered(retired),)),
        (RegisteredModel("gone", withdrawn=(version("gone", 1, 3, registered=False),)), ()),
        (RegisteredModel("strange", (strange,)), (registered(strange),)),
    ]


def placed(*models: tuple[RegisteredModel, tuple[Event, ...]]) -> list[Placing]:
    return [one for model, events in models for one in placings(model, events)]


def overview(model: RegisteredModel, events: tuple[Event, ...], runs: Sequence[int] = ()) -> ModelOverview:
    versions = tuple(sorted((*model.versions, *model.withdrawn), key=lambda one: -one.version))
    held = {number: forest(number, 60 * number, 2.5) for number in runs}
    return ModelOverview(model, versions, len(versions), held, tuple(placings(model, events)))


def whole_lineage(run: Run) -> Lineage:
    """Return everything about a version: signed, moved about, of a run with all that a run can have."""
    found = version("churn", 3, 24, run_id=run.id, stages=("staging", "production"), reason="f1 0.83, was 0.81")
    history = History(range(4), [None] * 4, {"val/accuracy": [0.5, 0.7, None, 0.93]})
    taken = tuple(Column("double", f"pixel_{number}") for number in range(64))
    returned = (Tensor("float64", (-1, 10)),)
    first = assigned("churn", "production", 3, 20, 2, message="A\n\nReason: f1 0.83, was 0.81\n", user=BO)
    other = assigned("churn", "production", 4, 10, 4)
    return Lineage(
        found,
        registered(found),
        signature=Signature(SignatureState.GOOD, "ana@example.org", "SHA256:abcdef"),
        stays=(
            Stay("production", first, other),
            Stay("staging", assigned("churn", "staging", 3, 22, 1)),
            Stay("production", assigned("churn", "production", 3, 5, 5, before=4)),
        ),
        run=run,
        history=history,
        environment=environment(),
        subject="Balance the classes",
        model=ModelFiles(
            (Artifact("model/MLmodel", 900), Artifact("model/model.pkl", 45_000_000, lfs=True)),
            {"python_function": "", "sklearn": "1.4.2"},
            ModelSignature(taken, returned, (Param("threshold", "double", 0.5),)),
        ),
        url="git@example.org:team/churn.git",
        problems=("environment.yaml is damaged.",),
    )


def bare_lineage() -> Lineage:
    """Return what is told of a version whose commit is not here, registered by a stranger."""
    found = version("strange", 2, 1, user=HOSTILE, reason=HOSTILE, experiment=HOSTILE)
    unknown = Signature(SignatureState.UNKNOWN, text=f"no key for {ESCAPE}")
    return Lineage(found, signature=unknown, problems=("Commit 02020202 is not in this clone. Fetch it: git fetch.",))


def trail() -> list[Entry]:
    """Return an audit trail with everything that there can be in one, the newest first."""
    name = "churn"
    _, events = churn()
    good = Signature(SignatureState.GOOD, "ana@example.org", "SHA256:abcdef")
    return [
        Entry(event(name, Action.DEPRECATE, 1, tag="churn@deprecated", message=f"D\n\nReason: {HOSTILE}\n"), UNSIGNED),
        Entry(event(name, Action.CREATE, 1, tag="churn@created"), UNSIGNED),
        Entry(
            assigned(name, "production", 6, 2, 9, before=3),
            Signature(SignatureState.BAD, text="altered"),
            forced="metrics.f1 >= 0.9 (0.86)",
        ),
        Entry(assigned(name, "production", 3, 3, 8, before=3), Signature(SignatureState.UNKNOWN, key="SHA256:1")),
        Entry(event(name, Action.UNASSIGN, 4, stage="staging", version=3, tag="churn#staging!#7"), UNSIGNED),
        Entry(events[6], good, approved=(BO, "Cy <cy@example.org>")),
        Entry(events[-1], UNSIGNED),
        *(Entry(one, UNSIGNED) for one in reversed(events[:6])),
    ]


def two_versions(runs: Sequence[Run]) -> VersionComparison:
    model, _ = churn()
    versions = (model.versions[2], model.versions[3])
    called = [
        Run(**{**vars(run), "name": title(one)})  # as the comparison of versions calls them
        for run, one in zip(runs, versions, strict=True)
    ]
    change = CodeChange("a" * 40, "b" * 40, (FileChange("train.py", 4, 1),))
    return VersionComparison(versions, tuple(runs), compare(called, [environment(), environment(numpy="2")]), (change,))
