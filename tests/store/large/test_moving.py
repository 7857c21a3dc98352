"""Large artifacts go to a folder and come from there: checked, resumable, never half."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from gtrack.config import Config
from gtrack.errors import ArtifactError
from gtrack.git.lfs import Pointer, object_path, store
from gtrack.git.repo import Repository
from gtrack.store.large.moving import Wanted, bring, send
from gtrack.store.large.stores import Folder, open_store

RUN = "0123456789abcdef" * 2


class Place:
    """A repository, and the folder that its large artifacts are sent to."""

    def __init__(self, repo: Path, folder: Path) -> None:
        self.repo = Repository.find(repo)
        self.folder = folder
        self.config = replace(Config(), artifacts_remote=f"file://{folder}")

    def keep(self, data: bytes) -> Pointer:
        """Make an object of ``data`` here."""
        path = self.repo.common_dir / "kept"
        path.write_bytes(data)
        pointer = store(self.repo, path)
        path.unlink()
        return pointer

    def send(self, *pointers: Pointer) -> tuple[int, int, int]:
        sent = send(self.repo, self.config, "nowhere", pointers)
        return sent.objects, sent.bytes, len(sent.lacking)

    def bring(self, *pointers: Pointer) -> list[int]:
        """Return what was told to be done, in turn."""
        told: list[int] = []
        wanted = [Wanted(RUN, f"{one.oid[:4]}.bin", one) for one in pointers]
        bring(self.repo, self.config, wanted, None, lambda _, done, __: told.append(done))
        return told

    def here(self, pointer: Pointer) -> Path:
        return object_path(self.repo, pointer.oid)

    def there(self, pointer: Pointer) -> Path:
        return self.folder / pointer.oid[:2] / pointer.oid[2:4] / pointer.oid

    def part(self, pointer: Pointer) -> Path:
        path = self.repo.common_dir / "lfs" / "incomplete" / f"{pointer.oid}.gtrack.part"
        path.parent.mkdir(exist_ok=True)
        return path

    def litter(self) -> list[str]:
        """Return whatever is no object under its name, here and there."""
        roots = (self.folder, self.repo.common_dir / "lfs")
        return [path.name for root in roots for path in root.rglob("*") if path.is_file() and len(path.name) != 64]


@pytest.fixture
def place(repo: Path, tmp_path: Path) -> Place:
    folder = tmp_path / "store" / "of all"
    folder.mkdir(parents=True)
    return Place(repo, folder)


def test_there_and_back(place: Place) -> None:
    pointers = [place.keep(os.urandom(size)) for size in (1, 100, 3_000_000)] + [place.keep(b"") for _ in "ab"]
    assert place.send(*pointers, pointers[0]) == (4, 3_000_101, 0)
    assert place.send(*pointers) == (0, 0, 0)
    for one in pointers:
        assert place.there(one).read_bytes() == place.here(one).read_bytes()
        assert place.there(one).stat().st_mode & 0o777 == 0o444
    for one in pointers[:4]:
        place.here(one).unlink()
    told = place.bring(*pointers)
    assert (told[0], told[-1]) == (0, 3_000_101)
    assert told == sorted(told)
    for one in pointers:
        assert sha256(place.here(one).read_bytes()).hexdigest() == one.oid
        assert place.here(one).stat().st_mode & 0o777 == 0o444
    assert place.bring(*pointers) == []
    assert place.litter() == []


def test_an_old_object_that_is_needed_anew_counts_as_written_now(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    pointer = place.keep(b"content")
    place.send(pointer)
    os.utime(place.there(pointer), (0, 0))
    assert place.send(pointer) == (0, 0, 0)
    assert place.there(pointer).stat().st_mtime > 0
    os.utime(place.there(pointer), (0, 0))
    monkeypatch.setattr(Folder, "renew", lambda *_: False)  # another user's file; root, who runs tests, may do all
    assert place.send(pointer) == (1, 7, 0)
    assert place.there(pointer).stat().st_mtime > 0
    os.utime(place.there(pointer), (0, 0))
    place.here(pointer).chmod(0o644)
    place.here(pointer).write_bytes(
        b"CONTENT"
    )  # stands for whatever keeps it from being sent: it is there all the same
    assert place.send(pointer) == (0, 0, 0)
    place.here(pointer).unlink()
    assert place.send(pointer) == (0, 0, 0)
    assert place.there(pointer).read_bytes() == b"content"


def test_what_is_damaged_here_is_not_sent(place: Place) -> None:
    good, bad = place.keep(b"good"), place.keep(b"content")
    place.here(bad).chmod(0o644)
    place.here(bad).write_bytes(b"CONTENT")
    with pytest.raises(ArtifactError, match=rf"{bad.oid} is damaged.*git lfs fsck"):
        place.send(bad)
    assert not place.there(bad).exists()
    assert place.send(good) == (1, 4, 0)
    assert place.litter() == []


def test_what_is_damaged_there_gets_no_name_here(place: Place) -> None:
    pointer = place.keep(b"content")
    place.send(pointer)
    place.here(pointer).unlink()
    place.there(pointer).chmod(0o644)
    for wrong, said in ((b"CONTENT", "damaged: it has another sha256"), (b"cut", "3 bytes there instead of 7")):
        place.there(pointer).write_bytes(wrong)
        with pytest.raises(ArtifactError) as raised:
            place.bring(pointer)
        assert f"{pointer.oid[:4]}.bin of run 01234567 (7 bytes, sha256 {pointer.oid})" in str(raised.value)
        assert f"file://{place.folder} ({'what is there is ' if wrong != b'cut' else 'there are '}{said}" in str(
            raised.value
        )
        assert not place.here(pointer).exists()
    assert place.litter() == []
    place.keep(b"content")
    assert place.send(pointer) == (1, 7, 0)  # one that was cut off is put again
    assert place.there(pointer).read_bytes() == b"content"


def test_what_is_neither_here_nor_there_is_named(place: Place) -> None:
    lost = Pointer(sha256(b"lost").hexdigest(), 4)
    kept = place.keep(b"kept")
    assert place.send(lost, kept) == (1, 4, 1)
    with pytest.raises(
        ArtifactError, match=rf"\(4 bytes, sha256 {lost.oid}\) is not to be had.*\n.*lfs \(not there\)\n"
    ):
        place.bring(lost)
    place.repo.run("remote", "add", "origin", "file:///nowhere.git")
    with pytest.raises(ArtifactError, match=r"not there\)\n  the LFS server of origin \("):
        place.bring(lost)


def test_a_download_goes_on_where_it_was_cut_off(place: Place) -> None:
    data = os.urandom(2_000_000)
    pointer = place.keep(data)
    place.send(pointer)
    place.here(pointer).unlink()
    place.part(pointer).write_bytes(data[:1_500_000])
    assert place.bring(pointer) == [0, 1_500_000, 2_000_000]
    assert place.here(pointer).read_bytes() == data
    assert place.litter() == []


@pytest.mark.parametrize("left", [b"wrong" * 1000, b"wrong" * 1_000_000, b""])
def test_a_part_that_is_wrong_is_fetched_anew(place: Place, left: bytes) -> None:
    data = os.urandom(2_000_000)
    pointer = place.keep(data)
    place.send(pointer)
    place.here(pointer).unlink()
    place.part(pointer).write_bytes(left)
    place.bring(pointer)
    assert place.here(pointer).read_bytes() == data
    assert place.litter() == []


def test_many_at_once(place: Place) -> None:
    pointers = [place.keep(os.urandom(200_000)) for _ in range(12)]
    with ThreadPoolExecutor(3) as threads:
        assert sum(threads.map(lambda _: place.send(*pointers)[2], range(3))) == 0
        for one in pointers:
            place.here(one).unlink()
        list(threads.map(lambda _: place.bring(*pointers), range(3)))
    assert all(sha256(place.here(one).read_bytes()).hexdigest() == one.oid for one in pointers)
    assert place.litter() == []


def test_a_size_that_no_disk_has_is_refused(place: Place) -> None:
    hostile = Pointer(sha256(b"x").hexdigest(), 10**17)
    with pytest.raises(
        ArtifactError,
        match=r"100000 TB are not here, and .* has [\d.]+ [kMGT]?B free, of which 67 MB stay free",
    ):
        place.bring(hostile)


def test_old_litter_is_swept_and_new_stays(place: Place) -> None:
    incoming = place.folder / ".incoming"
    incoming.mkdir()
    for name in ("old", "new"):
        (incoming / name).write_bytes(b"part")
    os.utime(incoming / "old", (1, 1))
    place.send(place.keep(b"content"))
    assert place.litter() == ["new"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("gs://bucket/team", r"gs://bucket/team cannot be reached .* pip install 'gtrack\[gcs\]'"),
        ("az://box/team", r"pip install 'gtrack\[azure\]'"),
        ("file://relative", r"write file:///path/to/it"),
        ("file:///dev/null/below", r"file:///dev/null/below cannot be used: Not a directory"),
        ("file:///nowhere/at all", r"no folder /nowhere/at all. Is it mounted\? .*: mkdir -p '/nowhere/at all'$"),
    ],
)
def test_a_store_that_cannot_be_used_is_told(place: Place, url: str, said: str) -> None:
    pointer = place.keep(b"content")
    place.config = replace(place.config, artifacts_remote=url)
    with pytest.raises(ArtifactError, match=said):
        place.send(pointer)
    place.here(pointer).unlink()
    with pytest.raises(ArtifactError, match="is not to be had"):
        place.bring(pointer)
    assert not Path("/nowhere").exists()


def test_a_store_keeps_no_secret_in_its_name() -> None:
    with pytest.raises(ArtifactError) as raised:
        open_store("gs://user:sesame@bucket/team")
    assert "sesame" not in str(raised.value)


_SCRIPT = """
import sys
from dataclasses import replace
from pathlib import Path
from gtrack.config import Config
from gtrack.git.lfs import Pointer
from gtrack.git.repo import Repository
from gtrack.store.large.moving import Wanted, bring, send

what, url, *pointers = sys.argv[1:]
pointers = [Pointer(one[:64], int(one[64:])) for one in pointers]
repo, config = Repository.find(Path.cwd()), replace(Config(), artifacts_remote=url)
print("begin", flush=True)
if what == "send":
    send(repo, config, "nowhere", pointers)
else:
    bring(repo, config, [Wanted("0" * 32, "x", one) for one in pointers])
"""


def transfer(place: Place, what: str, pointers: list[Pointer], until: int | None = None) -> int:
    """Send or bring in another process, that is killed when so many bytes have moved; return its exit code."""
    words = [sys.executable, "-c", _SCRIPT, what, str(place.config.artifacts_remote)]
    words += [f"{one.oid}{one.size}" for one in pointers]
    grows = place.folder if what == "send" else place.repo.common_dir / "lfs"
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        while until is not None and process.poll() is None:
            if sum(size_of(path) for path in grows.rglob("*")) >= until:
                process.kill()
        return process.wait()


def size_of(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:
        return 0


@pytest.mark.slow
@pytest.mark.parametrize("what", ["send", "bring"])
def test_killed_at_many_points_and_done_again(place: Place, what: str) -> None:
    pointers = [place.keep(bytes([number]) * 12_000_000) for number in range(4)]
    if what == "bring":
        place.send(*pointers)
        for one in pointers:
            place.here(one).unlink()
    killed = 0
    target = place.there if what == "send" else place.here
    for until in (1, 9_000_000, 20_000_000, 33_000_000, 45_000_000):
        killed += transfer(place, what, pointers, until) == -signal.SIGKILL
        for one in pointers:
            assert not target(one).exists() or sha256(target(one).read_bytes()).hexdigest() == one.oid
    assert killed >= 2
    assert transfer(place, what, pointers) == 0
    assert all(sha256(target(one).read_bytes()).hexdigest() == one.oid for one in pointers)


@pytest.mark.parametrize("what", ["send", "bring"])
def test_a_disk_that_is_full_is_told_and_the_rest_comes_later(place: Place, what: str) -> None:
    data = os.urandom(12_000_000)
    pointer = place.keep(data)
    target = place.there(pointer)
    if what == "bring":
        place.send(pointer)
        target = place.here(pointer)
        target.unlink()
    words = [sys.executable, "-c", _SCRIPT, what, str(place.config.artifacts_remote), f"{pointer.oid}{pointer.size}"]
    # What a file may not outgrow fails as what a disk has no room for does.
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (7_000_000, 7_000_000))"
    limited = f"{limit}; import os; os.execv({words[0]!r}, {words!r})"
    done = subprocess.run([sys.executable, "-c", limited], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    said = f"file://{place.folder} cannot be used: File too large" if what == "send" else "cannot be written to"
    assert said in done.stderr.splitlines()[-1]
    assert not target.exists()
    assert transfer(place, what, [pointer]) == 0
    assert target.read_bytes() == data
    assert place.litter() == []
