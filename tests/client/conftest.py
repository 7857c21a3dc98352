from __future__ import annotations

from tests.fluent.conftest import fresh_process, no_live_runs, quiet, stored

__all__ = ["fresh_process", "no_live_runs", "quiet", "stored"]
