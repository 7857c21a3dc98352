"""``gtrack run``: an unmodified program runs as a run, and what it really ran with is recorded."""

from __future__ import annotations
