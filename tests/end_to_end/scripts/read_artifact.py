"""Print the bytes of an artifact."""

from __future__ import annotations

import sys

import gtrack

print(gtrack.get_artifact(sys.argv[1], sys.argv[2]))
