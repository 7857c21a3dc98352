"""The main module of a process that multiprocessing spawned: it turns into the script's own; see ``spawning``."""

from __future__ import annotations

from gtrack.launch.spawning import become_main

if __name__ == "__mp_main__":
    become_main(globals())
