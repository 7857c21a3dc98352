"""``python -m gtrack``: the command, where it is not on PATH."""

from __future__ import annotations

from gtrack.cli.app import main

if __name__ == "__main__":
    main()
