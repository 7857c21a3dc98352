"""Ask a model about a table in a file, and write what it says as a table."""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gtrack.capture.tables import table_to_bytes
from gtrack.errors import ArtifactError, FormatError, GTrackError, InvalidValue
from gtrack.models.pyfunc import PyFuncModel

if TYPE_CHECKING:
    import pandas as pd

PREDICTION = "prediction"


def predict_table(model: PyFuncModel, source: Path, output: str) -> tuple[bytes, int]:
    """Return a model's predictions for each row of a table.

    Args:
        model: the model.
        source: the table: ``.csv``, ``.tsv``, ``.json`` (a list of rows, or pandas' ``split``) or ``.parquet``.
        output: the name of the file that they go into; its suffix says the format.

    Returns:
        The file's bytes, and how many rows there are.

    Raises:
        InvalidValue: another suffix, or columns that do not fit the model's signature.
        FormatError: the table cannot be read.
        GTrackError: the model fails.
    """
    signature = model.metadata.signature
    names = [spec for spec in (signature.inputs if signature is not None else ()) if spec.name is not None]
    texts = {str(spec.name): str for spec in names if getattr(spec, "type", "") == "string"}
    table = read_table(source, texts)
    try:
        found = model.predict(table)
    except InvalidValue as error:
        raise InvalidValue(f"{source} does not fit the model. {error}") from error
    except GTrackError:
        raise
    except Exception as error:  # the model is anybody's code
        reason = " ".join(str(error).split())[:500]
        raise GTrackError(f"The model fails for {source}: {type(error).__name__}: {reason}.") from error
    frame = predictions_frame(found)
    if len(frame) != len(table):
        raise GTrackError(f"The model gave {len(frame)} predictions for the {len(table)} rows of {source}.")
    return table_to_bytes(frame, output), len(frame)


def predictions_frame(found: Any) -> pd.DataFrame:
    """Return predictions as columns: ``prediction`` for one, ``prediction_0`` … for several without names.

    Raises:
        InvalidValue: they are no table.
    """
    import numpy as np
    import pandas as pd

    if isinstance(found, pd.Series):
        found = found.to_frame(found.name if found.name is not None else PREDICTION)
    if isinstance(found, pd.DataFrame):
        named = found.reset_index(drop=True)
        named.columns = pd.Index([_name(name, named.shape[1]) for name in named.columns])
        return named
    if isinstance(found, Mapping):
        return pd.DataFrame(dict(found))
    array = np.asarray(found.toarray() if hasattr(found, "toarray") else found)
    if array.ndim == 1:
        return pd.DataFrame({PREDICTION: array})
    if array.ndim == 2:
        return pd.DataFrame({_name(at, array.shape[1]): array[:, at] for at in range(array.shape[1])})
    shape = "×".join(map(str, array.shape))
    raise InvalidValue(f"The model's predictions have the shape {shape}, which is no table.")


def _name(name: object, many: int) -> str:
    if isinstance(name, str):
        return name
    return PREDICTION if many == 1 else f"{PREDICTION}_{name}"


def read_table(path: Path, texts: Mapping[str, type[str]]) -> pd.DataFrame:
    """Return the table in a file.

    Args:
        path: the file; its suffix says the format.
        texts: the columns that are text even where they look like numbers, as ``007`` does.

    Raises:
        InvalidValue: another suffix.
        FormatError: it cannot be read.
    """
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise InvalidValue(f"{path} cannot be read as a table: its name must end in {', '.join(_READERS)}.")
    try:
        return read(path.read_bytes(), texts)
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, KeyError, TypeError, ImportError) as error:
        raise FormatError(f"{path} cannot be read as a table: {' '.join(str(error).split())}.") from error


def _delimited(separator: str) -> Callable[[bytes, Mapping[str, type[str]]], pd.DataFrame]:
    def read(data: bytes, texts: Mapping[str, type[str]]) -> pd.DataFrame:
        import pandas as pd

        # From pandas 3.1 on all digits count anyway, and to ask for it is deprecated.
        old = tuple(int(part) for part in pd.__version__.split(".")[:2]) < (3, 1)
        exact: dict[str, Any] = {"float_precision": "round_trip"} if old else {}
        found: pd.DataFrame = pd.read_csv(io.BytesIO(data), sep=separator, dtype=dict(texts), **exact)
        return found

    return read


def _json(data: bytes, _texts: Mapping[str, type[str]]) -> pd.DataFrame:
    import pandas as pd

    found: Any = json.loads(data)
    if isinstance(found, dict) and "dataframe_split" in found:
        found = found["dataframe_split"]
    if isinstance(found, dict) and {"columns", "data"} <= found.keys():
        return pd.DataFrame(found["data"], columns=found["columns"])
    if isinstance(found, list) and found and all(isinstance(row, dict) for row in found):
        return pd.DataFrame(found)
    raise ValueError("it is no list of rows, each a mapping of names to values")


def _parquet(data: bytes, _texts: Mapping[str, type[str]]) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(io.BytesIO(data))


_READERS: dict[str, Callable[[bytes, Mapping[str, type[str]]], pd.DataFrame]] = {
    ".csv": _delimited(","),
    ".tsv": _delimited("\t"),
    ".json": _json,
    ".parquet": _parquet,
}


def write_whole(path: Path, data: bytes) -> None:
    """Write a file wholly or not at all; one that is there is replaced.

    Raises:
        ArtifactError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        raise ArtifactError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True)
