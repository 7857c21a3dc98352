"""The version of this gtrack: its only source, which the package metadata is built from."""

from __future__ import annotations

__version__ = "0.1.0"
