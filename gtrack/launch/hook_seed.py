"""Seeds the random generators of a script: each when the script imports it."""

from __future__ import annotations

from types import ModuleType

from gtrack.launch.post_import import when_imported


def seed_generators(seed: int) -> None:
    """Seed ``random``, ``numpy.random`` and ``torch`` with ``seed``; those that are never imported are left alone."""

    def seed_python(module: ModuleType) -> None:
        module.seed(seed)

    def seed_numpy(module: ModuleType) -> None:
        module.seed(seed % 2**32)

    def seed_torch(module: ModuleType) -> None:
        module.manual_seed(seed)

    when_imported("random", seed_python)
    when_imported("numpy.random", seed_numpy)
    when_imported("torch", seed_torch)
