"""scikit-learn: estimators and pipelines, as skops archives or pickles."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gtrack.errors import FormatError, InvalidValue
from gtrack.models.flavours.flavour import Options, Written, is_one_of
from gtrack.models.libraries import library
from gtrack.models.mlmodel import inside
from gtrack.models.pickles import CLOUDPICKLE, PICKLE, SKOPS, write_cloudpickle, write_skops
from gtrack.models.trust import Trust, sha256_of

# What scikit-learn stands on: a pickle of it names them, or the classes in it do.
_BELOW = frozenset({"sklearn", "numpy", "scipy", "joblib"})


def write_estimator(model: Any, directory: Path, options: Options) -> tuple[str, str, frozenset[str], tuple[str, ...]]:
    """Write an estimator in the format that is chosen, else in skops' where that is safe and quick.

    Args:
        model: the estimator.
        directory: where to.
        options: what the caller chose.

    Returns:
        The name of the file, its format, the modules that it needs, and the digests of files that can run code.

    Raises:
        InvalidValue: it cannot be written, or the format is another.
    """
    chosen = options.serialization_format
    if chosen not in {None, SKOPS, CLOUDPICKLE}:
        raise InvalidValue(f"serialization_format is 'skops' or 'cloudpickle', not {chosen!r}.")
    if chosen != CLOUDPICKLE:
        modules = write_skops(model, directory / "model.skops", chosen=chosen == SKOPS)
        if modules is not None:
            path = directory / "model.skops"
            # Chosen, it may hold types that nobody knows; made here, it needs no one's trust all the same.
            unsafe = chosen == SKOPS and bool(unsafe_types(path))
            return path.name, SKOPS, frozenset(modules), (sha256_of(path),) if unsafe else ()
    modules, digest = write_cloudpickle(model, directory / "model.pkl", type(model).__name__)
    return "model.pkl", CLOUDPICKLE, frozenset(modules), (digest,)


def read_estimator(directory: Path, name: object, conf: Mapping[str, Any], trust: Trust) -> Any:
    """Return the estimator in a file, by the format that ``conf`` says.

    Raises:
        FormatError: another format, or a damaged file.
        UntrustedModel: it could run code that nobody trusts.
        MissingLibrary: what reads it is not installed.
    """
    path = inside(directory, name, "model file")
    kind = conf.get("serialization_format", PICKLE)
    if kind == SKOPS:
        library("skops.io", f"{path.name}, a model in skops' format,")
        return trust.unskops(path)
    if kind in {CLOUDPICKLE, PICKLE}:
        return trust.unpickle(path)
    raise FormatError(f"{directory} holds a model in the format {kind!r}, which gtrack does not read.")


class Sklearn:
    """Estimators, transformers and pipelines of scikit-learn, or of anything that subclasses its ``BaseEstimator``."""

    name = "sklearn"
    loader_module = "mlflow.sklearn"

    def owns(self, model: object) -> bool:
        """Tell by ``BaseEstimator``."""
        return is_one_of(model, "sklearn.base", "BaseEstimator")

    def write(self, model: Any, directory: Path, options: Options) -> Written:
        """Write ``model.skops`` or ``model.pkl``; one that was never fitted too, with a warning."""
        _warn_of_unfitted(model)
        file, kind, modules, digests = write_estimator(model, directory, options)
        conf = {
            "code": None,
            "pickled_model": file,
            "serialization_format": kind,
            "sklearn_version": library("sklearn", "An estimator").__version__,
        }
        if kind == SKOPS and options.serialization_format == SKOPS:
            conf["skops_trusted_types"] = unsafe_types(directory / file)
        served = {"model_path": file, "predict_fn": "predict"} if hasattr(model, "predict") else None
        return Written(conf, served, modules | _BELOW, digests)

    def read(self, directory: Path, conf: Mapping[str, Any], trust: Trust) -> Any:
        """Read either format, and the plain pickles of older MLflow."""
        library("sklearn", "A scikit-learn model")
        return read_estimator(directory, conf.get("pickled_model"), conf, trust)

    def predict(self, model: Any, data: Any, conf: Mapping[str, Any], params: Mapping[str, Any] | None) -> Any:
        """Call ``predict``, or ``predict_proba`` and its like where the model says so."""
        name = str(conf.get("predict_fn", "predict"))
        if name not in {"predict", "predict_proba", "predict_log_proba", "predict_joint_log_proba", "score"}:
            raise FormatError(f"The model names {name!r} as what predicts, which is nothing that an estimator has.")
        return getattr(model, name)(data, **(params or {}))


def _warn_of_unfitted(model: Any) -> None:
    validation, errors = (
        library("sklearn.utils.validation", "An estimator"),
        library("sklearn.exceptions", "An estimator"),
    )
    try:
        validation.check_is_fitted(model)
    except errors.NotFittedError:
        warnings.warn(f"gtrack: {type(model).__name__} is not fitted; what is loaded cannot predict.", stacklevel=6)
    except TypeError:  # something with neither fit() nor transform(): what it needs nobody can tell
        pass


def unsafe_types(path: Path) -> list[str] | None:
    """Return the types in a skops archive that are not on skops' list of safe ones, for MLflow; None when there are none."""
    skops_io = library("skops.io", "skops' format")
    return sorted(skops_io.get_untrusted_types(data=path.read_bytes())) or None
