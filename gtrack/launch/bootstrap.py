"""The file that the launched interpreter is started with: makes room for the script, then hands over to ``child``.

It is run by its path, so Python puts this directory at the front of ``sys.path``. That entry goes before anything is
imported, else ``import signals`` in a script would find gtrack's.
"""

from __future__ import annotations

import sys

LOADED_BY_PYTHON = frozenset(sys.modules)

if __name__ == "__main__":
    if not getattr(sys.flags, "safe_path", False):
        del sys.path[0]
    try:
        import gtrack.version  # noqa: F401
    except ModuleNotFoundError:  # the launcher was run from a source tree that nothing but its working directory names
        sys.path.append(__file__.rpartition("gtrack")[0].rstrip("/\\"))
    from gtrack.launch.child import main

    main(LOADED_BY_PYTHON)
