"""What is done with runs, one verb per file; each returns a record."""

from __future__ import annotations
