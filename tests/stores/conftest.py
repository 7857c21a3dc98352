"""Places that large artifacts are sent to and fetched from: an LFS server, S3 and a folder, all real."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.remotes.ports import program
from tests.stores.servers import serve


@pytest.fixture(scope="session")
def lfs_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of an LFS server, for any number of repositories."""
    program("git-lfs", "git-lfs")
    with serve("lfs", str(tmp_path_factory.mktemp("lfs-server"))) as url:
        yield url


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """Return the URL of an S3 server."""
    with serve("s3") as url:
        yield url


@pytest.fixture
def bucket(s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the ``s3://`` URL of an empty bucket, with credentials where everything that speaks to S3 finds them."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()  # what speaks to another server, with other credentials
    for name, value in {
        "AWS_ENDPOINT_URL": s3_url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "a-secret-of-the-test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    name = f"bucket-{abs(hash(tmp_path)):x}"
    s3fs.S3FileSystem().mkdir(name)
    return f"s3://{name}/team"
