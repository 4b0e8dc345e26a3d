"""Limits of input that is not trusted: files, bytes, depth and names, the same in whatever container it comes.

Folders, archives, git repositories, weights and tables are held against the same numbers. Photos have their own limits
in `apparel/images.py`, annotation files in `apparel/annotations`.
"""

from pathlib import Path

from apparel.errors import UserError, plain

MAX_FILES = 500_000
"""Files of a source, folders included; with archives, those in them count too. It bounds what a hostile one creates."""

MAX_DEPTH = 100
"""Folders above a file; data sets have below ten. Python's walk of a folder fails at a thousand."""

MAX_NAME_BYTES = 1_000
"""Bytes of a file's name with the folders above it; Windows allows 260, macOS 1,024 and Linux 4,096."""

MAX_FILE_BYTES = 1_000_000_000
"""Bytes of one file that is imported. Photos and annotations have lower limits; archives of photos may need as much."""

MAX_FETCHED_BYTES = 1_000_000_000
"""Bytes that a git server may send for one import; GitHub asks that repositories stay below this size."""

MAX_COMPRESSION_RATIO = 200
"""Unpacked bytes per packed byte. XML shrinks to a tenth, photos and weights hardly at all; a bomb to a thousandth."""

MIN_UNPACKED_BYTES = 10_000_000
"""Bytes that any source may unpack to, whatever the ratio: small files of text may shrink a lot."""

MAX_WEIGHTS_BYTES = 2_000_000_000
"""Bytes that weights may take in memory; the largest detector of TensorFlow's model zoos has 0.8 GB."""

MAX_TABLE_BYTES = 200_000_000
"""Bytes of a CSV table or a list; two million rows of a label table take less."""

MAX_TABLE_FIELDS = 10_000_000
"""Fields of a CSV table, header included: a million boxes of eight columns, and some. Each takes up to 100 bytes."""

MAX_YAML_BYTES = 1_000_000
"""Bytes of a YAML file; `dvc.lock`, the longest one here, has a hundredth."""

MAX_YAML_VALUES = 100_000
"""Values of a YAML file once its aliases are written out: few lines of aliases to aliases make billions."""

MAX_YAML_DEPTH = 100
"""Levels of lists and keys of a YAML file; `dvc.lock`, the deepest one here, has eight. Reading fails at some 300."""

MAX_PIPELINE_BYTES = 1_000_000
"""Bytes of a pipeline file of the Object Detection API; the longest that it comes with has 10 kB."""


class UnpackLimits:
    """Number of files and bytes that a source, and the archives in it, may still unpack to, together."""

    def __init__(self, packed_bytes: int) -> None:
        self.files, self.bytes = MAX_FILES, max(MIN_UNPACKED_BYTES, MAX_COMPRESSION_RATIO * packed_bytes)

    def use(self, files: int, size: int) -> None:
        """Subtracts `files` with `size` bytes; raises a `UserError` where that is more than is left."""
        self.files -= files
        self.bytes -= size
        if self.files < 0:
            raise UserError(f"it holds more than {MAX_FILES:,} files; split it up")
        if self.bytes < 0:
            raise UserError(f"it unpacks to over {MAX_COMPRESSION_RATIO} times its size, as a decompression bomb does")


def check_name(name: str) -> None:
    """Raises a `UserError` for a name, its folders divided by `/`, that is deeper or longer than allowed."""
    if name.count("/") > MAX_DEPTH:
        raise UserError(f"'{plain(name)}' lies below more than {MAX_DEPTH} folders")
    if len(name.encode(errors="surrogateescape")) > MAX_NAME_BYTES:
        raise UserError(f"'{plain(name)}' and so on is a name of more than {MAX_NAME_BYTES:,} bytes")


def read_bytes(path: Path, limit: int) -> bytes:
    """The content of a file of at most `limit` bytes.

    Raises:
        UserError: the file is larger; it is not read any further.
        OSError: there is no such file, or it cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise UserError(f"{path} is larger than {limit:,} bytes, which is the limit for a file of its kind")
    return content
