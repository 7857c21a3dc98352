"""Servers that exist, on a free port of this machine: Git LFS by giftless, S3 by moto. Each is a process of its own.

``python servers.py lfs FOLDER`` and ``python servers.py s3`` serve until their stdin ends, and print the port first.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def serve(*words: str) -> Iterator[str]:
    """Start a server, and give its URL."""
    command = [sys.executable, __file__, *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            port = process.stdout.readline().strip()
            assert port, f"{words} did not start"
            yield f"http://127.0.0.1:{port}"
        finally:
            process.stdin.close()
            process.wait(30)


def identify(request: Any) -> Any:
    """Return whoever asks; giftless's own anonymous user may touch no object."""
    return User(request.authorization.username if request.authorization else "anybody")


class User:
    """May do everything, but for one called ``reader``."""

    email = None

    def __init__(self, name: str) -> None:
        self.id = self.name = name

    def is_authorized(self, organization: str, repo: str, permission: Any, oid: str | None = None) -> bool:
        return self.name != "reader" or permission.value != "write"


def _lfs(folder: str) -> Any:
    from flask import Flask
    from giftless.app import init_app

    storage = {
        "factory": "giftless.transfer.basic_streaming:factory",
        "options": {
            "storage_class": "giftless.storage.local_storage:LocalStorage",
            "storage_options": {"path": folder},
            "action_lifetime": 900,
        },
    }
    settings = {
        "TESTING": True,
        "AUTH_PROVIDERS": ["servers:identify"],
        "TRANSFER_ADAPTERS": {"basic": storage},
        "LEGACY_ENDPOINTS": False,
        "PRE_AUTHORIZED_ACTION_PROVIDER": None,  # its tokens name nobody, which PyJWT refuses
    }
    return init_app(Flask("lfs"), additional_config=settings)


def _s3() -> Any:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    return DomainDispatcherApplication(create_backend_app)


def main() -> None:
    """Serve."""
    from werkzeug.serving import make_server

    warnings.simplefilter("ignore")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    kind, *rest = sys.argv[1:]
    server = make_server("127.0.0.1", 0, _lfs(Path(rest[0]).as_posix()) if kind == "lfs" else _s3(), threaded=True)
    print(server.server_port, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
