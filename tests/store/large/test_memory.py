"""However large a file is, what moves it needs little memory: a checkpoint of 2 GB is nothing that a machine must hold."""

from __future__ import annotations

import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

_SIZE = 300_000_000
_MOST = 100_000_000  # bytes of memory, of the whole process

_SCRIPT = """
import sys
from pathlib import Path
from gtrack.git.lfs import object_path
from gtrack.ops.get import choose, write_out
from gtrack.ops.large.transfer import pointers_between, upload
from gtrack.project import Project
from gtrack.writer import ActiveRun

project = Project.open()
active = ActiveRun.start(project)
active.log_artifact(Path(sys.argv[1]), "model.ckpt")
run = active.end()
pointers = pointers_between(project.repo, None, project.store.tip())
assert [one.size for one in pointers] == [int(sys.argv[3])]
assert upload(project, "nowhere", pointers).bytes == int(sys.argv[3])
object_path(project.repo, pointers[0].oid).unlink()
write_out(project, run, choose(project, run, None), Path(sys.argv[2]))
write_out(project, run, choose(project, run, None), Path(sys.argv[2]))
status = Path("/proc/self/status").read_text()  # getrusage counts what the process was forked from
peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
print(int(peak) * 1024, pointers[0].oid)
"""


def check_peak(repo: Path, place: Path, remote: str, size: int) -> None:
    """Move a file of zeros through a store and back, and check how much memory that took."""
    source = place / "model.ckpt"
    with source.open("wb") as file:
        file.truncate(size)
    (repo / ".gtrack").mkdir()
    settings = f"system: {{interval_seconds: 0}}\nartifacts: {{remote: '{remote}'}}\n"
    (repo / ".gtrack" / "config.yaml").write_text(settings)
    words = [sys.executable, "-c", _SCRIPT, str(source), str(place / "out"), str(size)]
    peak, digest = subprocess.run(words, stdout=subprocess.PIPE, check=True, text=True).stdout.split()
    assert int(peak) < _MOST
    assert digest == sha256(bytes(size)).hexdigest()
    assert (place / "out" / "model.ckpt").stat().st_size == size


@pytest.mark.slow
def test_logged_committed_sent_fetched_and_written_out(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    check_peak(repo, tmp_path, f"file://{tmp_path}/store", _SIZE)
