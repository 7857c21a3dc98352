"""Any Python: functions, objects with ``predict``, and ``PythonModel``, gtrack's or MLflow's, by cloudpickle."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gtrack.errors import FormatError, InvalidValue
from gtrack.formats.names import check_artifact_path
from gtrack.models.flavours.flavour import Options, Written
from gtrack.models.info import PYTHON_FUNCTION
from gtrack.models.libraries import library
from gtrack.models.mlmodel import inside
from gtrack.models.pickles import CLOUDPICKLE, write_cloudpickle
from gtrack.models.python_model import PythonModelContext, call, served
from gtrack.models.trust import Trust, as_artifact, files_in, sha256_of

_FILE = "python_model.pkl"
_ARTIFACTS = "artifacts"


class Loaded:
    """A Python model as it was read: the pickled object, and the context that it predicts in."""

    def __init__(self, model: Any, context: PythonModelContext) -> None:
        self.model = model
        self.context = context


class PythonFunction:
    """Whatever can be called, or has ``predict``; the last in the table, as most models of libraries have that too."""

    name = PYTHON_FUNCTION
    loader_module = "mlflow.pyfunc.model"

    def owns(self, model: object) -> bool:
        """Tell by ``predict``, or by being callable; a class is neither, its instances are."""
        return not isinstance(model, type) and (callable(getattr(model, "predict", None)) or callable(model))

    def write(self, model: Any, directory: Path, options: Options) -> Written:
        """Write ``python_model.pkl`` and copy the artifacts."""
        if options.serialization_format not in {None, CLOUDPICKLE}:
            raise InvalidValue(f"A Python model is written with cloudpickle, not {options.serialization_format!r}.")
        what = type(model).__name__ if hasattr(model, "predict") else getattr(model, "__name__", type(model).__name__)
        modules, digest = write_cloudpickle(served(model), directory / _FILE, what)
        conf: dict[str, Any] = {
            "cloudpickle_version": library("cloudpickle", "Writing a Python model").__version__,
            "code": None,
            "python_model": _FILE,
            "streamable": False,
        }
        if options.artifacts:
            conf[_ARTIFACTS] = {name: _copied(name, source, directory) for name, source in options.artifacts.items()}
        copies = files_in(directory / _ARTIFACTS) if options.artifacts else []
        return Written(
            conf, conf, frozenset(modules), (digest, *(as_artifact(sha256_of(path), digest) for path in copies))
        )

    def read(self, directory: Path, conf: Mapping[str, Any], trust: Trust) -> Any:
        """Unpickle it, and let it load its artifacts."""
        if "model_code_path" in conf:
            raise FormatError(f"{directory} holds a model as source code, which gtrack does not read; MLflow does.")
        if "python_model" not in conf:
            loader = conf.get("loader_module")
            raise FormatError(f"{directory} holds a model that only {loader} can load, which gtrack does not know.")
        if conf.get("python_model_compression"):
            raise FormatError(f"{directory} holds a compressed pickle, which gtrack does not read; MLflow does.")
        paths = _artifact_paths(conf)
        artifacts = {name: inside(directory, path, f"artifact {name!r}") for name, path in paths.items()}
        # What lies beside an artifact is as near to load_context() as the artifact.
        tops = sorted({directory / path.relative_to(directory).parts[0] for path in artifacts.values()})
        model = trust.unpickle(inside(directory, conf["python_model"], "model file"), artifacts=tops)
        context = PythonModelContext({name: str(path) for name, path in artifacts.items()})
        if hasattr(model, "load_context"):
            model.load_context(context)
        return Loaded(model, context)

    def predict(self, model: Any, data: Any, _conf: Mapping[str, Any], params: Mapping[str, Any] | None) -> Any:
        """Call it with what its ``predict`` takes: context, data, parameters."""
        return call(model.model, model.context, data, params)


def _artifact_paths(conf: Mapping[str, Any]) -> dict[str, Any]:
    entries = conf.get(_ARTIFACTS) or {}
    if not isinstance(entries, dict) or not all(isinstance(one, dict) and "path" in one for one in entries.values()):
        raise FormatError("MLmodel names its artifacts in another way than by a path for each: it is damaged.")
    return {name: one["path"] for name, one in entries.items()}


def _copied(name: str, source: Path, directory: Path) -> dict[str, str]:
    """Copy an artifact next to the model; return its entry in ``MLmodel``."""
    source = Path(source)
    inside_path = check_artifact_path(f"{_ARTIFACTS}/{name}/{source.name}")
    target = directory / inside_path
    target.parent.mkdir(parents=True)
    try:
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)
    except OSError as error:
        raise InvalidValue(f"The model's artifact {name!r} cannot be copied from {source}: {error}.") from error
    return {"path": inside_path, "uri": source.name}
