"""What a model needs to be installed: found from the modules that are loaded, without asking anyone.

``importlib.metadata`` parses a file per distribution, and MLflow starts a process that loads the model; the names of the
metadata directories tell the same in less than a millisecond.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from gtrack.errors import InvalidValue
from gtrack.formats.yamlio import dumps

REQUIREMENTS = "requirements.txt"
CONDA = "conda.yaml"
PYTHON_ENV = "python_env.yaml"

# Where the distribution is called otherwise than the module, and a search of all of them can be spared.
_CALLED = {
    "PIL": ("pillow",),
    "cv2": ("opencv-python", "opencv-python-headless"),
    "dateutil": ("python-dateutil",),
    "sklearn": ("scikit-learn",),
    "skimage": ("scikit-image",),
    "xgboost": ("xgboost", "xgboost-cpu"),
    "yaml": ("pyyaml",),
}
_NORMALISED = re.compile(r"[-_.]+")
_TOP_LEVEL = re.compile(r"^([A-Za-z_]\w*)(?:/|\.py,|\.[\w-]+\.(?:so|pyd),)", re.MULTILINE)


def requirements_for(modules: Iterable[str]) -> tuple[str, ...]:
    """Return the pinned distributions that top-level modules come from, by name.

    Args:
        modules: names of modules; those of Python itself, and those of no distribution, are left out.
    """
    found = {_requirement(name) for name in modules if name not in sys.stdlib_module_names}
    return tuple(sorted(line for line in found if line is not None))


@cache
def _requirement(module: str) -> str | None:
    installed = _installed()
    for name in (*_CALLED.get(module, ()), _normal(module)):
        if name in installed:
            return f"{name}=={installed[name][0]}"
    provider = _providers().get(module)
    return None if provider is None else f"{provider}=={installed[provider][0]}"


@cache
def _installed() -> dict[str, tuple[str, Path]]:
    """Return version and metadata directory of each distribution on ``sys.path``, by its normalised (PEP 503) name."""
    found: dict[str, tuple[str, Path]] = {}
    for entry in sys.path:
        try:
            with os.scandir(entry or ".") as entries:
                names = [one.name for one in entries if one.name.endswith(".dist-info")]
        except OSError:  # a zip file, or a directory that is gone
            continue
        for name in names:
            stem, _, version = name.removesuffix(".dist-info").partition("-")
            if version:
                found.setdefault(_normal(stem), (version, Path(entry or ".", name)))
    return found


@cache
def _providers() -> dict[str, str]:
    """Return which distribution has which top-level module; asked only for modules that are called otherwise than theirs."""
    found: dict[str, str] = {}
    for name, (_, metadata) in _installed().items():
        try:
            listed = (metadata / "RECORD").read_text(encoding="utf-8", errors="replace")
        except OSError:  # installed by something else than pip
            continue
        for module in set(_TOP_LEVEL.findall(listed)):
            found.setdefault(module, name)
    return found


def _normal(name: str) -> str:
    return _NORMALISED.sub("-", name).lower()


def checked_requirements(given: Sequence[str] | str | Path) -> tuple[str, ...]:
    """Return the requirements that a caller gave, as lines; a path of a requirements file is read.

    Raises:
        InvalidValue: they are no texts of one line, or the file cannot be read.
    """
    if isinstance(given, (str, Path)):
        try:
            given = Path(given).read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise InvalidValue(
                f"pip_requirements is a list such as ['scikit-learn==1.9.1'] or a requirements file, and {given!r} cannot be "
                f"read: {error.strerror}."
            ) from error
    line: Any
    for line in given:
        if not isinstance(line, str) or "\n" in line:
            raise InvalidValue(f"pip_requirements holds lines such as 'scikit-learn==1.9.1', not {line!r}.")
    return tuple(line.strip() for line in given if line.strip())


def write_environment(directory: Path, requirements: Sequence[str]) -> None:
    """Write ``requirements.txt``, ``conda.yaml`` and ``python_env.yaml``."""
    python = platform.python_version()
    (directory / REQUIREMENTS).write_text("".join(f"{line}\n" for line in requirements), encoding="utf-8")
    packages: list[Any] = [f"python={python}", "pip", *([{"pip": list(requirements)}] if requirements else [])]
    conda: dict[str, Any] = {"name": "gtrack-model", "channels": ["conda-forge"], "dependencies": packages}
    (directory / CONDA).write_text(dumps(conda), encoding="utf-8")
    needs: dict[str, Any] = {"python": python, "build_dependencies": ["pip", "setuptools", "wheel"]}
    (directory / PYTHON_ENV).write_text(dumps({**needs, "dependencies": [f"-r {REQUIREMENTS}"]}), encoding="utf-8")
