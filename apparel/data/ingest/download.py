"""Download of one file over HTTP or from a bucket: within limits, continued where it broke off, compared by SHA-256."""

import http.client
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from tqdm import tqdm

from apparel.data.ingest.archives import check_disk_space
from apparel.data.ingest.sources import file_sha256, source_address
from apparel.errors import FULL_DISK, UserError, one_line, plain
from apparel.utils import bucket_files, buckets, limits

SECONDS_OF_SILENCE = 30
"""How long a server may send nothing before the attempt ends."""

ATTEMPTS = 5
"""How often a download is begun or continued before it ends."""

SECONDS_BETWEEN_ATTEMPTS = 2

RETRIED = (408, 425, 429, 500, 502, 503, 504)
"""HTTP statuses that may pass: timeouts, too many requests, and a server that is starting or overloaded."""


class _Interrupted(Exception):
    """An attempt that broke off; the next goes on from there."""


def download(address: str, target: Path, size: int | None = None, sha256: str | None = None) -> str:
    """Fetches a file, and goes on where the server broke off, if it can give parts of files.

    Args:
        address: with http or https, of which redirections to those are followed, or in a bucket.
        target: the file to write; it must not be there yet.
        size: bytes that the file should have, if known.
        sha256: what it should be, if known.

    Returns:
        The file's SHA-256, in hexadecimal.

    Raises:
        UserError: the server refuses, cannot be reached or breaks off again and again; the file is larger than
            `limits.MAX_WEIGHTS_BYTES` or the disk, or is not the one expected.
    """
    shown = source_address(address)
    if not buckets.is_address(address) and urlsplit(address).scheme not in ("http", "https"):
        raise UserError(f"{shown} is no address of http or https, nor of {' or '.join(buckets.SCHEMES)}")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.touch(exist_ok=False)
    if buckets.is_address(address):
        _fetch_stored(address, target)
    else:
        _fetch(address, target, shown)
    fetched, found = target.stat().st_size, file_sha256(target)
    if (size and fetched != size) or (sha256 and found != sha256):
        expected = " and ".join(filter(None, (size and f"{size:,} bytes", sha256 and f"SHA-256 {sha256}")))
        raise UserError(
            f"{shown} is not the file that was published: it has {fetched:,} bytes and SHA-256 {found}, expected are "
            f"{expected}; nothing was imported"
        )
    return found


def _fetch(address: str, target: Path, shown: str) -> None:
    """Writes what a server sends to `target`, in as many attempts as it takes, up to `ATTEMPTS`."""
    version, problem = "", ""
    for attempt in range(ATTEMPTS):
        if attempt:
            print(f"interrupted ({problem}); trying again")
            time.sleep(SECONDS_BETWEEN_ATTEMPTS)
        try:
            with _open(address, target.stat().st_size if version else 0, version) as response:
                version = _version(response)
                _save(response, target, shown)
            break
        except urllib.error.HTTPError as error:
            problem = f"{error.code} {plain(str(error.reason))}"
            if error.code not in RETRIED:
                raise UserError(f"{shown} answers {problem}; nothing was imported") from None
        except (_Interrupted, OSError, http.client.HTTPException) as error:
            if getattr(error, "errno", None) in FULL_DISK:
                raise
            problem = plain(one_line(error))
    else:
        raise UserError(f"{shown} could not be fetched: {problem}; nothing was imported, try again later")


def _fetch_stored(address: str, target: Path) -> None:
    """Writes a file in a bucket to `target`; its library repeats what breaks off."""
    stored = bucket_files.listed(address)
    if [file.name for file in stored.values()] != [address]:
        raise UserError(f"{plain(address)} is a folder, not a file; nothing was imported")
    file = stored.popitem()[1]
    check_disk_space(target.parent, file.size)
    file.fetch(target, limits.MAX_WEIGHTS_BYTES)


def _open(address: str, place: int, version: str) -> http.client.HTTPResponse:
    """Asks for a file, or for what comes after `place` bytes of a version of it."""
    request = urllib.request.Request(address, headers={"Accept-Encoding": "identity", "User-Agent": "apparel"})
    if place:
        request.add_header("Range", f"bytes={place}-")
        request.add_header("If-Range", version)
    opener = urllib.request.OpenerDirector()  # the default one also follows a redirection to ftp
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener.open(request, timeout=SECONDS_OF_SILENCE)


def _version(response: http.client.HTTPResponse) -> str:
    """What the server calls this version of the file, to continue only the same one; empty if it does not say."""
    tag = response.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")


def _save(response: http.client.HTTPResponse, target: Path, address: str) -> None:
    """Writes an answer to the end of `target`, or in place of it where the server gives the whole file.

    Raises:
        _Interrupted: the server sent less than it announced.
    """
    place = target.stat().st_size if response.status == 206 else 0
    length = response.headers.get("Content-Length", "")
    announced = place + int(length) if length.isdigit() else None
    _check_size(announced or 0, address)
    check_disk_space(target.parent, (announced or 0) - place)
    with (
        target.open("r+b") as file,
        tqdm(total=announced, initial=place, desc=target.name, unit="B", unit_scale=True, delay=1) as progress,
    ):
        file.truncate(place)
        file.seek(place)
        while block := response.read(1 << 18):
            place += len(block)
            _check_size(place, address)
            file.write(block)
            progress.update(len(block))
    if announced and place < announced:
        raise _Interrupted(f"{place:,} of {announced:,} bytes came")


def _check_size(size: int, address: str) -> None:
    if size > limits.MAX_WEIGHTS_BYTES:
        raise UserError(f"{address} sends more than {limits.MAX_WEIGHTS_BYTES / 1e6:,.0f} MB; nothing was imported")
