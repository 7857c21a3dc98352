"""Make the current directory a project."""

from __future__ import annotations

import gtrack

gtrack.init()
