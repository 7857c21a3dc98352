"""The file ``MLmodel``: what a model directory holds, in YAML, as MLflow and those who serve its models read it."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

from gtrack.errors import FormatError, InvalidPath
from gtrack.formats.names import check_artifact_path
from gtrack.formats.yamlio import dumps, load_mapping
from gtrack.models.info import ModelInfo
from gtrack.models.requirements import CONDA, PYTHON_ENV, REQUIREMENTS
from gtrack.models.signature import ModelSignature
from gtrack.version import __version__

MLMODEL = "MLmodel"
_MOST_BYTES = 16 * 1024 * 1024


def new_mlmodel(info: ModelInfo) -> str:
    """Return the text of ``MLmodel`` for a model."""
    held: dict[str, Any] = {"artifact_path": info.artifact_path}
    held["flavors"] = {name: dict(conf) for name, conf in info.flavours.items()}
    held |= {"gtrack_version": __version__, "model_uuid": info.model_uuid, "utc_time_created": info.utc_time_created}
    if info.run_id is not None:
        held["run_id"] = info.run_id
    if info.metadata:
        held["metadata"] = dict(info.metadata)
    if info.example is not None:
        held["saved_input_example_info"] = dict(info.example)
    if info.signature is not None:
        held["signature"] = info.signature.to_dict()
    return dumps(held)


def python_function(loader_module: str, conf: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entry by which a model is served whatever library it is of."""
    env = {"conda": CONDA, "virtualenv": PYTHON_ENV}
    return {"env": env, "loader_module": loader_module, **conf, "python_version": platform.python_version()}


def stamp() -> tuple[str, str]:
    """Return a fresh ``model_uuid`` and the present ``utc_time_created``."""
    return uuid4().hex, datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f")


def read_mlmodel(directory: Path) -> ModelInfo:
    """Return what ``MLmodel`` and ``requirements.txt`` in a directory say.

    Raises:
        FormatError: there is none, or it is damaged.
    """
    path = directory / MLMODEL
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise FormatError(f"{path} is larger than {_MOST_BYTES} bytes and is not read.")
        held = load_mapping(path.read_bytes(), str(path))
    except (FileNotFoundError, NotADirectoryError):
        raise FormatError(f"{directory} is no model directory: it has no file {MLMODEL}.") from None
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror or error}.") from error
    flavours = held.get("flavors")
    if not isinstance(flavours, dict) or not all(isinstance(conf, dict) for conf in flavours.values()):
        raise FormatError(f"{path} names no flavours: it is damaged, or no model.")
    signature, metadata, example = (_mapping(held, key, path) for key in ("signature", "metadata", _EXAMPLE))
    return ModelInfo(
        flavours=flavours,  # type: ignore[arg-type]
        artifact_path=str(held.get("artifact_path") or directory.name),
        run_id=_text(held.get("run_id")),
        signature=ModelSignature.from_dict(signature) if signature else None,
        model_uuid=_text(held.get("model_uuid")),
        utc_time_created=_text(held.get("utc_time_created")),
        requirements=_requirements(directory),
        metadata=metadata or {},
        example=example,
    )


_EXAMPLE = "saved_input_example_info"


def _mapping(held: Mapping[str, Any], key: str, path: Path) -> dict[str, Any] | None:
    found = held.get(key)
    if found is not None and not isinstance(found, dict):
        raise FormatError(f"{path}: {key} is a {type(found).__name__} where a mapping is expected.")
    return found


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _requirements(directory: Path) -> tuple[str, ...]:
    path = directory / REQUIREMENTS
    try:
        if path.stat().st_size > _MOST_BYTES:
            return ()
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not every writer makes one
        return ()
    return tuple(line.strip() for line in lines if line.strip())


def inside(directory: Path, name: object, what: str) -> Path:
    """Return the path of a file or directory that ``MLmodel`` names.

    Raises:
        FormatError: it is outside of the model's directory, also by a link, or not there.
    """
    try:
        path = directory / check_artifact_path(name)
    except InvalidPath as error:
        raise FormatError(
            f"{directory / MLMODEL} names {name!r} as its {what}, which is no safe path: {error}"
        ) from error
    if not path.exists():
        raise FormatError(f"{directory / MLMODEL} names {name!r} as its {what}, and there is no such file.")
    if not path.resolve().is_relative_to(directory.resolve()):
        raise FormatError(
            f"{directory / MLMODEL} names {name!r} as its {what}, which leads out of the directory. It is refused."
        )
    return path
