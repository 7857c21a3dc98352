"""PyTorch: whole modules by ``torch.save``, which is a pickle."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gtrack.errors import InvalidValue
from gtrack.models.flavours.flavour import Options, Written, is_one_of
from gtrack.models.libraries import library
from gtrack.models.mlmodel import inside
from gtrack.models.schema import as_array
from gtrack.models.trust import Trust, sha256_of

_DATA = "data"
_FILE = "model.pth"
_PICKLE_MODULE = "pickle_module_info.txt"
_THEIR_PICKLE = "mlflow.pytorch.pickle_module"  # what MLflow unpickles with; gtrack never imports it


class PyTorch:
    """``torch.nn.Module`` of any class."""

    name = "pytorch"
    loader_module = "mlflow.pytorch"

    def owns(self, model: object) -> bool:
        """Tell by ``Module``."""
        return is_one_of(model, "torch.nn", "Module")

    def write(self, model: Any, directory: Path, options: Options) -> Written:
        """Write ``data/model.pth``; classes of ``__main__`` go with it, as cloudpickle writes it."""
        if options.serialization_format is not None:
            raise InvalidValue("A PyTorch module is written by torch.save: leave serialization_format out.")
        torch = library("torch", "A PyTorch model")
        cloudpickle = library("cloudpickle", "Writing a PyTorch model")
        place = directory / _DATA
        place.mkdir()
        path = place / _FILE
        try:
            torch.save(model, path, pickle_module=cloudpickle)
        except (pickle.PicklingError, TypeError, AttributeError, RuntimeError, RecursionError) as error:
            raise InvalidValue(
                f"{type(model).__name__} cannot be written: {re.sub(chr(10), ' ', str(error))}. "
                "It holds something that only lives in this process."
            ) from error
        (place / _PICKLE_MODULE).write_text(_THEIR_PICKLE, encoding="utf-8")
        conf = {"code": None, "model_data": _DATA, "pytorch_version": torch.__version__}
        modules = {type(part).__module__.partition(".")[0] for part in model.modules()} - {"__main__"}
        served = {"data": _DATA, "pickle_module_name": _THEIR_PICKLE}
        return Written(conf, served, frozenset(modules | {"torch", "numpy", "cloudpickle"}), (sha256_of(path),))

    def read(self, directory: Path, conf: Mapping[str, Any], trust: Trust) -> Any:
        """Read the module onto the CPU, ready to predict."""
        torch = library("torch", "A PyTorch model")
        path = inside(directory, f"{conf.get('model_data', _DATA)}/{_FILE}", "model file")
        model = trust.unpickle(path, lambda file: torch.load(file, map_location="cpu", weights_only=False))
        model.eval()
        return model

    def predict(self, model: Any, data: Any, _conf: Mapping[str, Any], params: Mapping[str, Any] | None) -> Any:
        """Call the module without gradients; columns go in as float32 of n×k, as MLflow does it."""
        import numpy as np
        import pandas as pd

        torch = library("torch", "A PyTorch model")
        array = data.to_numpy(dtype=np.float32) if isinstance(data, pd.DataFrame) else np.asarray(data)
        with torch.no_grad():
            found = as_array(model(torch.tensor(array), **(params or {})))
        return pd.DataFrame(found, index=data.index) if isinstance(data, pd.DataFrame) else found
