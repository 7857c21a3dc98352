"""The flavours, in the order in which a model is offered to them: the first that owns it writes it."""

from __future__ import annotations

from gtrack.errors import FormatError, InvalidValue, nearest
from gtrack.models.flavours.flavour import Flavour
from gtrack.models.flavours.keras import Keras
from gtrack.models.flavours.lightgbm import LightGBM
from gtrack.models.flavours.python_function import PythonFunction
from gtrack.models.flavours.pytorch import PyTorch
from gtrack.models.flavours.sklearn import Sklearn
from gtrack.models.flavours.xgboost import XGBoost
from gtrack.models.info import ModelInfo

FLAVOURS: tuple[Flavour, ...] = (
    Keras(),  # with PyTorch beneath it a Keras model is a module of PyTorch too
    PyTorch(),
    XGBoost(),  # the estimators of these two are scikit-learn's as well
    LightGBM(),
    Sklearn(),
    PythonFunction(),
)


def flavour_of(model: object) -> Flavour:
    """Return the flavour that a model is written in.

    Raises:
        InvalidValue: it is no model.
    """
    for flavour in FLAVOURS:
        if flavour.owns(model):
            return flavour
    what = f"the class {model.__name__}, not an instance of it" if isinstance(model, type) else type(model).__name__
    raise InvalidValue(f"A model is something with predict(), or a function, and this is {what}.")


def flavour_named(name: str) -> Flavour:
    """Return the flavour of a name.

    Raises:
        InvalidValue: there is none.
    """
    by_name = {flavour.name: flavour for flavour in FLAVOURS}
    if name not in by_name:
        raise InvalidValue(f"No flavour {name!r}.{nearest(name, by_name)} There are: {', '.join(by_name)}.")
    return by_name[name]


def flavour_in(info: ModelInfo, where: str) -> Flavour:
    """Return the flavour that a written model is loaded by: that of its library, else ``python_function``.

    Raises:
        FormatError: it has none that gtrack knows.
    """
    for flavour in FLAVOURS:
        if flavour.name in info.flavours:
            return flavour
    raise FormatError(
        f"{where} holds a model of the flavour {', '.join(info.flavours) or '(none)'}; gtrack reads "
        f"{', '.join(flavour.name for flavour in FLAVOURS)}."
    )
