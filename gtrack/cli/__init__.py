"""The command line: read the arguments, open the project, do one thing, show it."""

from __future__ import annotations
