"""What a flavour is: how the models of one library are told, written, read and asked."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from gtrack.models.trust import Trust


@dataclass(frozen=True)
class Options:
    """What a caller may choose about how a model is written.

    Attributes:
        serialization_format: ``skops`` or ``cloudpickle``, where the flavour has a choice; its own, when None.
        artifacts: name to file or directory that goes with a Python model.
    """

    serialization_format: str | None = None
    artifacts: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Written:
    """What became of a model.

    Attributes:
        conf: the flavour's entry in ``MLmodel``; its keys are those that MLflow's loader of that flavour reads.
        served: what the entry ``python_function`` holds for MLflow's loader; None when the model cannot predict.
        modules: the top-level modules that are needed to load it.
        digests: sha256 of the files whose loading can run code.
    """

    conf: dict[str, Any]
    served: dict[str, Any] | None
    modules: frozenset[str]
    digests: tuple[str, ...] = ()


class Flavour(Protocol):
    """The models of one library.

    Attributes:
        name: its name in ``MLmodel``.
        loader_module: the module of MLflow that loads it.
    """

    name: str
    loader_module: str

    def owns(self, model: object, /) -> bool:
        """Tell whether ``model`` is of this library; imports nothing: a library that is not loaded has made no model."""
        ...

    def write(self, model: Any, directory: Path, options: Options, /) -> Written:
        """Write the model's own files into an empty directory.

        Raises:
            InvalidValue: it cannot be written.
            MissingLibrary: what writes it is not installed.
        """
        ...

    def read(self, directory: Path, conf: Mapping[str, Any], trust: Trust, /) -> Any:
        """Return the model that ``write``, or MLflow, wrote.

        Raises:
            FormatError: it is damaged.
            UntrustedModel: it could run code that nobody trusts.
            MissingLibrary: what reads it is not installed.
        """
        ...

    def predict(self, model: Any, data: Any, conf: Mapping[str, Any], params: Mapping[str, Any] | None, /) -> Any:
        """Return what the model, as ``read`` returned it, predicts.

        Args:
            model: the model.
            data: DataFrame, array or whatever else the model takes.
            conf: the entry ``python_function`` of its ``MLmodel``.
            params: parameters of the prediction.
        """
        ...


def loaded_class(module: str, name: str) -> Any:
    """Return a class of a library, None when nobody has imported it."""
    return getattr(sys.modules.get(module), name, None)


def is_one_of(model: object, module: str, *names: str) -> bool:
    """Tell whether ``model`` is an instance of one of these classes, if their module is loaded at all."""
    return any(isinstance(kind := loaded_class(module, name), type) and isinstance(model, kind) for name in names)
