"""Run a script whose disk, as it were, is full: no file of it or of its children grows above so many bytes."""

from __future__ import annotations

import resource
import runpy
import sys

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
del sys.argv[:2]
runpy.run_path(sys.argv[0], run_name="__main__")
