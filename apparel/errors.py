"""Errors that are meant for a person: one message that names what is wrong, where, and the remedy."""

import argparse
import errno
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""A file system, a user's share of it, or what one file may take."""


class UserError(Exception):
    """Something the user can mend. The message is all that is shown: no traceback."""


class Pruned(UserError):
    """A sweep stopped this training since other trials did better: an end before the last step, no failure."""


def plain(text: str) -> str:
    """`text` on one line that any terminal and file can hold, cut at 200 characters."""
    return "".join(sign if sign.isprintable() else "?" for sign in text[:200])


def one_line(error: BaseException, limit: int = 300) -> str:
    """A library's message on one line, cut at `limit` characters; the name of the error where it says nothing."""
    return " ".join(str(error).split())[:limit] or type(error).__name__


def some_of(names: Sequence[str], limit: int) -> str:
    """The first `limit` of the names, and how many there are besides: `a, b, c and 4 more`."""
    rest = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {rest:,} more" if rest > 0 else "")


def nearest(name: str, known: list[str]) -> str:
    """A hint such as `; did you mean 'epochs'?`, or a list of what is known when nothing is close."""
    import difflib

    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean '{plain(close[0])}'?" if close else f"; known are {', '.join(map(plain, sorted(known)))}"


def run(main: Callable[[], None]) -> None:
    """Calls `main` and turns a `UserError`, a full disk, a file that cannot be read or written, or an interruption into
    one line and an exit status.

    Raises:
        SystemExit: 1 for a `UserError` or what a file or the disk refuses, 130 when interrupted from the keyboard.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a pipe on Windows takes no sign beyond its code page
    try:
        try:
            main()
        finally:
            sys.stdout.flush()
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader, such as `head`, has seen enough; at its end Python would write once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        file = getattr(error, "filename", None)
        if _disk_is_full(error):
            sys.exit(f"error: no space left on the disk for {file or 'an output'}; free some and run again")
        if isinstance(error, OSError) and file:
            sys.exit(f"error: {plain(str(file))}: {error.strerror}")
        raise


def script(main: Callable[[], None], description: str) -> None:
    """`run` for a script without arguments: `--help` shows the description, and anything else is refused."""
    argparse.ArgumentParser(description=description, prog=f"python -m {_module()}").parse_args()
    run(main)


def _module() -> str:
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return spec.name if spec else Path(sys.argv[0]).stem


def _disk_is_full(error: Exception) -> bool:
    """TensorFlow and others raise errors of their own, with the system's words in them."""
    if isinstance(error, OSError) and error.errno in FULL_DISK:
        return True
    return os.strerror(errno.ENOSPC) in str(error) or any(f"; {os.strerror(each)}" in str(error) for each in FULL_DISK)
