"""Keras 3: its own ``.keras`` archive, which can name any class and hold code (Lambda layers)."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gtrack.errors import FormatError, InvalidValue
from gtrack.models.flavours.flavour import Options, Written, is_one_of
from gtrack.models.libraries import library
from gtrack.models.mlmodel import inside
from gtrack.models.trust import Trust, sha256_of

_DATA = "data"
_FILE = "model.keras"


class Keras:
    """``keras.Model`` of any class, with any backend."""

    name = "keras"
    loader_module = "mlflow.keras"

    def owns(self, model: object) -> bool:
        """Tell by ``Model``."""
        return is_one_of(model, "keras", "Model")

    def write(self, model: Any, directory: Path, options: Options) -> Written:
        """Write ``data/model.keras``."""
        if options.serialization_format is not None:
            raise InvalidValue("A Keras model is written in Keras' own format: leave serialization_format out.")
        keras = library("keras", "A Keras model")
        place = directory / _DATA
        place.mkdir()
        try:
            model.save(place / _FILE)
        except Exception as error:  # layers of one's own raise whatever they like
            raise InvalidValue(f"{type(model).__name__} cannot be written by Keras: {error}.") from error
        (place / "keras_module.txt").write_text("keras", encoding="utf-8")
        backend = keras.backend.backend()
        conf = {
            "data": _DATA,
            "keras_version": keras.__version__,
            "keras_backend": backend,
            "save_exported_model": False,
        }
        return Written(conf, {}, frozenset({"keras", "numpy", backend}), (sha256_of(place / _FILE),))

    def read(self, directory: Path, conf: Mapping[str, Any], trust: Trust) -> Any:
        """Read the archive; Keras wants a file, so it gets one that nobody else can change."""
        keras = library("keras", "A Keras model")
        if conf.get("save_exported_model"):
            raise FormatError(
                f"{directory} holds a Keras model in TensorFlow's exported form, which gtrack does not read."
            )
        path = inside(directory, f"{conf.get('data', _DATA)}/{_FILE}", "model file")
        data = trust.admit(path)
        with tempfile.TemporaryDirectory(prefix="gtrack-") as private:
            copy = Path(private, _FILE)
            copy.write_bytes(data)
            try:
                return keras.saving.load_model(copy, safe_mode=False)
            except (ValueError, TypeError, OSError) as error:
                raise FormatError(f"{path} cannot be read by Keras: {error}.") from error

    def predict(self, model: Any, data: Any, _conf: Mapping[str, Any], params: Mapping[str, Any] | None) -> Any:
        """Call ``predict`` on arrays."""
        import pandas as pd

        if isinstance(data, pd.DataFrame):
            return pd.DataFrame(model.predict(data.to_numpy(), verbose=0), index=data.index)
        return model.predict(data, verbose=0, **(params or {}))
