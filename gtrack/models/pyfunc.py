"""A loaded model that is asked the same way whatever library it is of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gtrack.errors import GTrackError, InvalidValue, nearest
from gtrack.models.enforce import enforced
from gtrack.models.flavours.flavour import Flavour
from gtrack.models.flavours.python_function import Loaded
from gtrack.models.info import PYTHON_FUNCTION, ModelInfo
from gtrack.models.python_model import unwrapped


class PyFuncModel:
    """A model that is loaded and can predict.

    Attributes:
        metadata: what is known of it: signature, flavours, requirements …
    """

    def __init__(self, model: Any, flavour: Flavour, info: ModelInfo) -> None:
        self.metadata = info
        self._model = model
        self._flavour = flavour

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Return the model's predictions.

        Args:
            data: DataFrame or array of n rows, mapping of columns, list of records or of rows; with a signature its columns
                are put in order and its types made to fit where no value changes by it.
            params: parameters of this prediction, for models that take some.

        Raises:
            InvalidValue: data or parameters that do not fit the signature.
        """
        signature = self.metadata.signature
        if signature is not None and signature.params and params:
            known = [param.name for param in signature.params]
            for name in params:
                if name not in known:
                    raise InvalidValue(f"The model has no parameter {name!r}.{nearest(name, known)}")
        fitting = enforced(signature.inputs if signature is not None else (), data)
        conf = self.metadata.flavours.get(PYTHON_FUNCTION, {})
        return self._flavour.predict(self._model, fitting, conf, self._params(params))

    def _params(self, params: Mapping[str, Any] | None) -> dict[str, Any] | None:
        signature = self.metadata.signature
        defaults = {} if signature is None else {param.name: param.default for param in signature.params}
        return {**defaults, **(params or {})} or None

    def unwrap_python_model(self) -> Any:
        """Return the function or object that was logged.

        Raises:
            GTrackError: it is a model of a library: ``load_model`` returns that.
        """
        if not isinstance(self._model, Loaded):
            raise GTrackError(f"This is a model of the flavour {self._flavour.name}: load_model() returns it as it is.")
        return unwrapped(self._model.model)

    def __repr__(self) -> str:
        return f"<PyFuncModel {self._flavour.name} {self.metadata.artifact_path}>"
