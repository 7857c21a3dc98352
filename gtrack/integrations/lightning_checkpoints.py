"""The checkpoints that Lightning saves, as artifacts of a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gtrack.store.artifacts import walk
from gtrack.writer import ActiveRun

CHECKPOINTS = "checkpoints"


def keep_checkpoints(run: ActiveRun, callback: Any, kept: dict[str, float]) -> None:
    """Copy the checkpoints that are there below the artifact ``checkpoints``, and say in ``checkpoints.json`` which is best.

    Args:
        run: where.
        callback: Lightning's ``ModelCheckpoint``.
        kept: path to modification time of those that were copied before; added to.

    Raises:
        ArtifactError: one cannot be read.
        GTrackError: the run cannot be written.
    """
    scores = {path: float(score) for path, score in (getattr(callback, "best_k_models", None) or {}).items()}
    best, last = (getattr(callback, which, "") for which in ("best_model_path", "last_model_path"))
    for path in (Path(one) for one in dict.fromkeys([*scores, best, last]) if one):
        if path.exists() and kept.get(str(path)) != path.stat().st_mtime:
            for inside, source in _files(path):
                run.log_artifact(source, f"{CHECKPOINTS}/{inside}")
            kept[str(path)] = path.stat().st_mtime
    about = {
        "best": Path(best).name if best else None,
        "monitor": getattr(callback, "monitor", None),
        "mode": getattr(callback, "mode", None),
        "scores": {Path(path).name: score for path, score in scores.items()},
    }
    run.log_bytes(f"{json.dumps(about, indent=2)}\n".encode(), f"{CHECKPOINTS}.json")


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    """Give the files of a checkpoint, which is one file, or a directory where several processes write it."""
    real = path.resolve()
    if not real.is_dir():
        yield path.name, real
        return
    for inside, source in walk(real):
        yield f"{path.name}/{inside}", source
