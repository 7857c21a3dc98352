"""Artifacts by a URI, where scripts written for MLflow look for them: ``gtrack.artifacts.download_artifacts(…)``."""

from __future__ import annotations

from gtrack.client.artifact_uris import download_artifacts, list_artifacts, load_dict, load_image, load_text

__all__ = ["download_artifacts", "list_artifacts", "load_dict", "load_image", "load_text"]
