"""Servers on this machine that speak as Amazon S3 and Google Cloud Storage do, each with an empty bucket."""

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from tempfile import TemporaryFile

from tests.support import servers

BUCKET = "bucket"


@dataclass(frozen=True)
class Served:
    """A server with a bucket.

    Attributes:
        bucket: address of the bucket.
        endpoint: address of the server.
        environment: variables by which the libraries find it and have access.
        options: those of a DVC remote there.
    """

    bucket: str
    endpoint: str
    environment: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)


@contextmanager
def s3() -> Iterator[Served]:
    """Amazon's, by moto."""
    with _started("moto.server", "--host", "127.0.0.1", "--port", "PORT") as endpoint:
        urllib.request.urlopen(urllib.request.Request(f"{endpoint}/{BUCKET}", method="PUT")).close()
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
        environment = keys | {"AWS_ENDPOINT_URL": endpoint}
        yield Served(f"s3://{BUCKET}", endpoint, environment, {"endpointurl": endpoint})


@contextmanager
def gcs() -> Iterator[Served]:
    """Google's, by gcp-storage-emulator."""
    command = ("gcp_storage_emulator", "start", "--host=127.0.0.1", "--port=PORT", "--in-memory")
    with _started(*command, f"--default-bucket={BUCKET}") as endpoint:
        # Else gcsfs asks a second, encrypted service, which the emulator lacks, what kind of bucket it is; for minutes.
        environment = {"STORAGE_EMULATOR_HOST": endpoint, "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}
        options = {"endpointurl": endpoint, "allow_anonymous_login": "true"}
        yield Served(f"gs://{BUCKET}", endpoint, environment, options)


@contextmanager
def _started(*module: str) -> Iterator[str]:
    """The address of a server of Python's, once it listens."""
    port = servers.free_port()
    command = [sys.executable, "-m", *(part.replace("PORT", str(port)) for part in module)]
    with TemporaryFile() as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            servers.wait_for(lambda: process.poll() is not None or servers.listens(port))
            log.seek(0)
            assert process.poll() is None, log.read().decode(errors="replace")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
