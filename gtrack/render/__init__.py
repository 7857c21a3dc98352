"""Records to text: for a terminal, a pipe, a program, a page."""

from __future__ import annotations
