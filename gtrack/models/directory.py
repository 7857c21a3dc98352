"""Model directories: write one, read what it says, load what it holds.

The layout is MLflow's: ``MLmodel`` and next to it the model's own file, ``requirements.txt``, ``conda.yaml``,
``python_env.yaml``, and the input example when there is one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from gtrack.errors import FormatError, GTrackError, InvalidValue, MissingLibrary
from gtrack.formats.values import plain_value
from gtrack.models.example import first_rows, read_example, write_example
from gtrack.models.flavours.flavour import Flavour, Options, Written
from gtrack.models.flavours.python_function import Loaded
from gtrack.models.flavours.table import flavour_in, flavour_named, flavour_of
from gtrack.models.info import PYTHON_FUNCTION, ModelInfo
from gtrack.models.mlmodel import MLMODEL, new_mlmodel, python_function, read_mlmodel, stamp
from gtrack.models.pyfunc import PyFuncModel
from gtrack.models.python_model import PythonModelContext, served, unwrapped
from gtrack.models.requirements import checked_requirements, requirements_for, write_environment
from gtrack.models.schema import is_tensors
from gtrack.models.signature import ModelSignature, as_signature, infer_signature
from gtrack.models.trust import Trust

_ROWS_TO_TRY = 5


def write_model(  # noqa: PLR0913 - each is one thing that a model directory says
    model: Any,
    directory: Path,
    *,
    flavour: str | None = None,
    signature: Any = None,
    input_example: Any = None,
    pip_requirements: Sequence[str] | str | None = None,
    metadata: Mapping[str, Any] | None = None,
    run_id: str | None = None,
    artifact_path: str = "model",
    serialization_format: str | None = None,
    artifacts: Mapping[str, str | Path] | None = None,
    extra_pip_requirements: Sequence[str] | str | None = None,
) -> ModelInfo:
    """Write a model directory.

    Args:
        model: an estimator, booster or module of a library that has a flavour, or any Python with ``predict``, or a function.
        directory: an empty directory; after an error what is in it is to be thrown away.
        flavour: the name of the flavour; found by the model's class when None.
        signature: what ``infer_signature`` returns, gtrack's or MLflow's; of the example and what the model predicts for its
            first five rows when None; False for none at all.
        input_example: data of the kind that goes in; its first hundred rows are kept.
        pip_requirements: lines of ``requirements.txt``; found from what the model is made of when None.
        metadata: name to plain value.
        run_id: the run that it belongs to.
        artifact_path: where it will lie among the run's artifacts.
        serialization_format: ``skops`` or ``cloudpickle``; skops where it is safe and quick when None.
        artifacts: name to file or directory that a Python model finds in its context.
        extra_pip_requirements: further lines, after those of ``pip_requirements`` or those that were found.

    Raises:
        InvalidValue: it is no model, or cannot be written, or one of the others cannot.
        MissingLibrary: what writes it is not installed.
    """
    chosen = flavour_named(flavour) if flavour is not None else flavour_of(model)
    said = as_signature(signature)
    plain_metadata = _metadata(metadata)
    requirements = None if pip_requirements is None else checked_requirements(pip_requirements)
    further = checked_requirements(extra_pip_requirements or ())
    options = Options(serialization_format, {name: Path(path) for name, path in (artifacts or {}).items()})
    if artifacts and chosen.name != PYTHON_FUNCTION:
        raise InvalidValue(f"artifacts go with a Python model; this one is of the flavour {chosen.name}.")
    try:
        example = write_example(directory, input_example) if input_example is not None else None
        if said is None and input_example is not None:
            said = _signature_from(model, chosen, input_example)
        written = chosen.write(model, directory, options)
        if requirements is None:
            requirements = requirements_for(_modules(written, said, example))
        requirements = (*requirements, *further)
        write_environment(directory, requirements)
        uuid, created = stamp()
        info = ModelInfo(
            flavours=_flavours(chosen, written),
            artifact_path=artifact_path,
            run_id=run_id,
            signature=said or None,
            model_uuid=uuid,
            utc_time_created=created,
            requirements=requirements,
            metadata=plain_metadata,
            example=example,
            digests=written.digests,
        )
        (directory / MLMODEL).write_text(new_mlmodel(info), encoding="utf-8")
    except OSError as error:
        if isinstance(error, GTrackError):
            raise
        raise InvalidValue(f"The model could not be written to {directory}: {error.strerror or error}.") from error
    return info


def _metadata(given: Mapping[str, Any] | None) -> dict[str, Any]:
    plain = plain_value(given or {}, "model's metadata")
    if not isinstance(plain, dict):
        raise InvalidValue(f"A model's metadata is a mapping of names to values, not {type(given).__name__}.")
    return plain


def _flavours(flavour: Flavour, written: Written) -> dict[str, dict[str, Any]]:
    served = {}
    if written.served is not None:
        served[PYTHON_FUNCTION] = python_function(flavour.loader_module, written.served)
    return {**served, **({flavour.name: written.conf} if flavour.name != PYTHON_FUNCTION else {})}


def _modules(written: Written, signature: ModelSignature | None, example: Mapping[str, Any] | None) -> set[str]:
    by_column = signature is not None and bool(signature.inputs) and not is_tensors(signature.inputs)
    frames = by_column or (example is not None and example.get("type") == "dataframe")
    return {*written.modules, *({"pandas"} if frames else ())}


def _signature_from(model: Any, flavour: Flavour, example: Any) -> ModelSignature:
    """Return the signature that an example shows, with what the model makes of its first rows when it can."""
    try:
        predicted = _predicted(model, flavour, first_rows(example, _ROWS_TO_TRY))
        return infer_signature(example, predicted)
    except Exception as error:  # noqa: BLE001 - an unfitted model, or an example that does not fit, raises anything
        reason = " ".join(str(error).split())[:300]
        warnings.warn(
            f"gtrack: {type(model).__name__} does not predict for its input example ({type(error).__name__}: {reason}), so its "
            "signature says nothing of what comes out.",
            stacklevel=4,
        )
        return infer_signature(example)


def _predicted(model: Any, flavour: Flavour, rows: Any) -> Any:
    in_training = flavour.name == "pytorch" and model.training  # it would learn from what it is asked
    if in_training or not (hasattr(model, "predict") or callable(model)):
        return None
    if flavour.name == PYTHON_FUNCTION:
        if hasattr(model, "load_context"):
            return None  # it is ready only after that, and would then be written with what it has loaded
        model = Loaded(served(model), PythonModelContext())
    return flavour.predict(model, rows, {}, None)


def read_info(directory: Path) -> ModelInfo:
    """Return what a model directory says of the model, without loading it.

    Raises:
        FormatError: it is none, or damaged.
    """
    return read_mlmodel(directory)


def load_model(
    directory: Path,
    *,
    trust: bool | Sequence[str] = False,
    flavour: str | None = None,
    trusted: Collection[str] | Callable[[str], bool] = (),
) -> Any:
    """Return the model of a directory, as the library that it is of knows it.

    Args:
        directory: a model directory, written by gtrack or MLflow.
        trust: True where its code may run; or the names of the types that a skops file may make.
        flavour: which of its flavours; that of its library when None.
        trusted: sha256 digests of files that may run code, as the caller wrote them; or a function that tells.

    Raises:
        FormatError: the directory is damaged, or of a flavour that gtrack does not read.
        UntrustedModel: loading it could run code that nobody trusts.
        MissingLibrary: it needs a library that is not installed.
    """
    found = _load(directory, Trust.of(trust=trust, trusted=trusted), flavour)[0]
    return unwrapped(found.model) if isinstance(found, Loaded) else found


def load_pyfunc(
    directory: Path, *, trust: bool | Sequence[str] = False, trusted: Collection[str] | Callable[[str], bool] = ()
) -> PyFuncModel:
    """Return the model of a directory as one that is asked like all others.

    Args:
        directory: as for ``load_model``.
        trust: as for ``load_model``.
        trusted: as for ``load_model``.

    Raises:
        FormatError: as for ``load_model``, or the model has nothing that predicts.
        UntrustedModel: as for ``load_model``.
        MissingLibrary: as for ``load_model``.
    """
    info = read_mlmodel(directory)
    if PYTHON_FUNCTION not in info.flavours:
        raise FormatError(f"{directory} holds a model without predict(): load_model() returns it as it is.")
    return PyFuncModel(*_load(directory, Trust.of(trust=trust, trusted=trusted), None))


def _load(directory: Path, trust: Trust, name: str | None) -> tuple[Any, Flavour, ModelInfo]:
    info = read_mlmodel(directory)
    if name is not None and name not in info.flavours:
        raise FormatError(f"{directory} has no flavour {name!r}; it has: {', '.join(info.flavours)}.")
    flavour = flavour_named(name) if name is not None else flavour_in(info, str(directory))
    try:
        return flavour.read(directory, info.flavours[flavour.name], trust), flavour, info
    except GTrackError:
        raise
    except ImportError as error:
        raise _missing(directory, info, error) from error
    except Exception as error:
        raise FormatError(
            f"The model in {directory} cannot be loaded: {type(error).__name__}: {' '.join(str(error).split())[:300]}. It is "
            f"damaged, or was written with other versions than those here: {', '.join(info.requirements) or 'none recorded'}."
        ) from error


def _missing(directory: Path, info: ModelInfo, error: ImportError) -> MissingLibrary:
    code = any(conf.get("code") for conf in info.flavours.values())
    name = (error.name or "").partition(".")[0]
    pinned = next((line for line in info.requirements if line.partition("==")[0] == name), None)
    if code:
        then = f"It brings code of its own, which gtrack does not import: put {directory / 'code'} on PYTHONPATH if you trust it."
    elif pinned is not None:
        then = f"Install it: pip install '{pinned}'."
    else:
        then = f"It is among what the model was made with: pip install {name or 'it'}, or put its source on PYTHONPATH."
    return MissingLibrary(
        f"The model in {directory} needs {error.name or error}, which cannot be imported here. {then}"
    )


def load_input_example(directory: Path) -> Any:
    """Return the input example that was written with a model, None when there is none.

    Raises:
        FormatError: it is damaged.
    """
    return read_example(directory, read_mlmodel(directory).example)
