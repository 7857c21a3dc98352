"""Where a model version comes from: its tag, the run, what went in and came out, the data, the code, the model itself.

All of it is what the commit holds that the version's tag is on. So a clone that has nothing but the tag can tell it, and
whatever is done to the run or to the runs branch since changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from gtrack.capture.environment import redact_url
from gtrack.errors import FormatError, GTrackError, RunNotFound
from gtrack.formats import run_dir
from gtrack.formats.history import parse_history
from gtrack.formats.names import ARTIFACTS, run_path
from gtrack.formats.yamlio import load_mapping
from gtrack.git.signing import Signature
from gtrack.models.mlmodel import MLMODEL
from gtrack.models.signature import ModelSignature
from gtrack.ops.model_history import UNSIGNED, signature
from gtrack.ops.model_stages import Stay, stays
from gtrack.project import Project
from gtrack.records import Artifact, History, ModelVersion, Run, Value
from gtrack.registry.ledger import Event
from gtrack.registry.lookup import find_version, known_model, refer
from gtrack.registry.tag_names import Action
from gtrack.store.branch import BranchReader, Location
from gtrack.store.lacking import fetch_artifacts

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_MOST_BYTES = 16 * 1024 * 1024
_PYTHON_VERSION = "python_version"


@dataclass(frozen=True)
class Held:
    """A run as a commit holds it.

    Attributes:
        run: the run.
        reader: reads that commit.
        location: where the run lies in it.
    """

    run: Run
    reader: BranchReader
    location: Location

    def environment(self) -> dict[str, Value]:
        """Return what its ``environment.yaml`` holds; nothing when it has none.

        Raises:
            FormatError: it is damaged.
        """
        data = self.reader.file(self.location, run_dir.ENVIRONMENT)
        return load_mapping(data, run_dir.ENVIRONMENT) if data else {}


@dataclass(frozen=True)
class ModelFiles:
    """The model itself.

    Attributes:
        files: its files, by path below the artifacts of the run.
        flavours: flavour to the version of its library, empty where that is not said.
        signature: what goes in and comes out; None when nobody said.
    """

    files: tuple[Artifact, ...] = ()
    flavours: Mapping[str, str] = field(default_factory=dict)
    signature: ModelSignature | None = None

    @property
    def size(self) -> int | None:
        """Bytes of all its files; None where some stayed with the remote of a partial clone."""
        sizes = [one.size for one in self.files if one.size is not None]
        return sum(sizes) if len(sizes) == len(self.files) else None


@dataclass(frozen=True)
class Lineage:
    """Where a version comes from, and where it went.

    Attributes:
        version: the version.
        registered: what registered it; None when its tag is not among the understood ones.
        signature: what became of verifying the signature of that tag.
        stays: the stages that it was in, those in which it is at the end.
        run: the run that made it, as the tag's commit holds it; None when that cannot be read here.
        history: the rows of the run's metrics.
        environment: what the run's ``environment.yaml`` holds.
        subject: the first line of the message of the commit that the code was, or that it was changed from; None when that
            commit is not in this clone.
        model: the model itself.
        url: where the repository can be cloned from, without credentials; None when no remote is known.
        problems: what could not be told and why, a sentence each.
    """

    version: ModelVersion
    registered: Event | None = None
    signature: Signature = UNSIGNED
    stays: tuple[Stay, ...] = ()
    run: Run | None = None
    history: History = field(default_factory=History)
    environment: Mapping[str, Value] = field(default_factory=dict)
    subject: str | None = None
    model: ModelFiles = ModelFiles()
    url: str | None = None
    problems: tuple[str, ...] = ()

    @property
    def uri(self) -> str:
        """What ``load_model`` takes."""
        return f"models:/{self.version.name}/{self.version.version}"


def held(project: Project, version: ModelVersion) -> Held:
    """Return the run of a version as the commit holds it that its tag is on.

    Raises:
        RunNotFound: the tag is on a commit that is no run's, that is not in this clone, or that does not hold the run; the
            message says which, and what to fetch.
    """
    if version.run_id is None:
        raise RunNotFound(
            f"{version.tag} is on commit {version.commit[:8]}, which is no run's: nothing says what made version "
            f"{version.version} of {version.name}."
        )
    reader = BranchReader(project.repo, version.commit)
    location = reader.locate(version.run_id)
    if location is not None:
        return Held(reader.runs([location])[0], reader, location)
    if project.repo.objects.get(version.commit) is None:
        raise RunNotFound(
            f"Commit {version.commit[:8]}, which {version.tag} is on, is not in this clone. Fetch it: "
            "git fetch --refetch --tags."
        )
    raise RunNotFound(
        f"{version.tag} is on commit {version.commit[:8]}, which does not hold run {version.run_id[:8]}, of which it says to be. "
        f"What the run itself has now is {version.source or f'runs:/{version.run_id}'}."
    )


def runs_held(project: Project, versions: Sequence[ModelVersion]) -> dict[int, Run]:
    """Return version number to the run of it, for the versions whose tags' commits hold one; a few questions to git for all."""
    asked = [(one, one.run_id, one.experiment) for one in versions if one.run_id and one.experiment]
    names = [f"{one.commit}:{run_path(experiment, run_id)}" for one, run_id, experiment in asked]
    places: list[tuple[int, Location]] = []
    for (one, run_id, experiment), tree in zip(asked, project.repo.objects.many(names), strict=True):
        if tree is not None and tree.kind == "tree":
            places.append((one.version, Location(run_id, experiment, tree.oid)))
    found = {number for number, _ in places}
    for one in versions:  # tags that do not say the experiment: GTO's, and those made by hand
        if one.version in found or one.run_id is None:
            continue
        location = BranchReader(project.repo, one.commit).locate(one.run_id)
        if location is not None:
            places.append((one.version, location))
    runs = BranchReader(project.repo, None).runs([location for _, location in places])
    return {number: run for (number, _), run in zip(places, runs, strict=True)}


def lineage(project: Project, ref: str) -> Lineage:
    """Return where the version comes from that ``ref`` names: ``churn@3``, ``churn@v1.4.0``, ``churn#production``.

    Raises:
        UsageError: it is no such reference.
        ModelNotFound: there is no such model, no such version of it, or nothing in the stage.
    """
    wanted = refer(ref)
    ledger = project.registry_reader.ledger(wanted.model)
    model = ledger.models.get(wanted.model) or known_model(project.registry_reader.ledger(), wanted.model)
    version = find_version(model, wanted)
    events = ledger.events[model.name]
    registered = next((event for event in events if _registers(event, version)), None)
    known = Lineage(
        version,
        registered=registered,
        signature=signature(project, registered) if registered else UNSIGNED,
        stays=tuple(stays(version, events, project.registry_reader.exclusive)),
        url=_url(project, None),
    )
    try:
        found = held(project, version)
    except RunNotFound as error:
        return replace(known, problems=(str(error),))
    return _told(project, known, found)


def _registers(event: Event, version: ModelVersion) -> bool:
    return event.action is Action.REGISTER and event.tag == version.tag


def _told(project: Project, known: Lineage, found: Held) -> Lineage:
    problems = list(found.run.problems)
    environment: Mapping[str, Value] = {}
    model = ModelFiles()
    try:
        environment = found.environment()
    except FormatError as error:
        problems.append(str(error))
    try:
        model = model_files(project, found, known.version.artifact or "")
    except GTrackError as error:
        problems.append(str(error))
    return replace(
        known,
        run=found.run,
        history=parse_history(found.reader.file(found.location, run_dir.HISTORY) or b""),
        environment=environment,
        subject=_subject(project, found.run),
        model=model,
        url=known.url or _url(project, found.run),
        problems=tuple(problems),
    )


def _subject(project: Project, run: Run) -> str | None:
    """Return the first line of what the code's author wrote: of HEAD, where the code commit is a snapshot."""
    oid = (run.code.head or run.code.commit) if run.code.dirty else run.code.commit
    found = project.repo.objects.get(oid) if oid and _COMMIT.match(oid) else None
    if found is None or found.kind != "commit":
        return None
    return found.data.decode(errors="replace").partition("\n\n")[2].partition("\n")[0]


def _url(project: Project, run: Run | None) -> str | None:
    config = project.git_config()
    remotes = {key.removeprefix("remote.").removesuffix(".url"): url for key, url in config.items() if _is_url(key)}
    url = remotes.get("origin") or next(iter(remotes.values()), None) or (run.code.remote if run else None)
    return redact_url(url) if url and not url.startswith("-") else None


def _is_url(key: str) -> bool:
    return key.startswith("remote.") and key.endswith(".url")


def model_files(project: Project, found: Held, path: str) -> ModelFiles:
    """Return the files of a model and what its ``MLmodel`` says, without loading it.

    Args:
        project: where it is.
        found: the run that has it.
        path: of the model below the run's artifacts.

    Raises:
        FormatError: its ``MLmodel`` is damaged.
        ArtifactError: that stayed with the remote of a partial clone, which does not give it.
    """
    held_there = found.reader.artifacts(found.location)
    files = {
        one.path: (one, oid) for one, oid in held_there.values() if one.path == path or one.path.startswith(f"{path}/")
    }
    known = tuple(one for one, _ in files.values())
    entry = files.get(f"{path}/{MLMODEL}")
    if entry is None or entry[0].lfs:
        return ModelFiles(known)
    if entry[0].size is None:
        fetch_artifacts(project.repo, {f"{entry[0].path} of run {found.run.short_id}": entry[1]})
    elif entry[0].size > _MOST_BYTES:
        return ModelFiles(known)
    where = f"{run_path(found.location.experiment, found.location.id)}/{ARTIFACTS}/{path}/{MLMODEL}"
    blob = project.repo.objects.get(entry[1])
    said = load_mapping(blob.data if blob else b"", where)
    flavours, signature = said.get("flavors"), said.get("signature")
    if not isinstance(flavours, dict):
        raise FormatError(f"{where} names no flavours: it is damaged, or no model.")
    return ModelFiles(
        known,
        {name: _library(conf) for name, conf in flavours.items()},
        ModelSignature.from_dict(signature) if isinstance(signature, dict) else None,
    )


def _library(conf: Value) -> str:
    """Return the version of a flavour's library: MLflow calls it ``sklearn_version``, or ``lgb_version``, say."""
    said = conf.items() if isinstance(conf, dict) else ()
    return next(
        (str(value) for key, value in said if key.endswith("_version") and key != _PYTHON_VERSION and value), ""
    )
