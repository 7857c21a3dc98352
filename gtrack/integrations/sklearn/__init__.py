"""Autologging of scikit-learn: every ``fit`` is recorded, and so are the metrics that are computed of it afterwards."""

from __future__ import annotations

from gtrack.integrations.sklearn.autolog import autolog, autolog_by_default

__all__ = ["autolog", "autolog_by_default"]
