"""Errors that are meant for a person: one message that names what is wrong, where, and the remedy."""

import argparse
import errno
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Error numbers of a full file system, a used-up quota, and a file that is larger than allowed."""


class UserError(Exception):
    """An error that the user can correct. Only its message is shown, no traceback."""


class Pruned(UserError):
    """A sweep ended this training before its last step, since other trials do better; this is no failure."""


class Stopped(KeyboardInterrupt):
    """A signal ended this process, as Ctrl-C does, but with a reason. No `UserError`: whoever handles those goes on."""


def plain(text: str) -> str:
    """`text` on one line, cut at 200 characters, with `?` for each character that cannot be printed."""
    return "".join(character if character.isprintable() else "?" for character in text[:200])


def one_line(error: BaseException, limit: int = 300) -> str:
    """The message of a library's error on one line, cut at `limit` characters; the error's type if it has none."""
    return " ".join(str(error).split())[:limit] or type(error).__name__


def some_of(names: Sequence[str], limit: int) -> str:
    """The first `limit` names, and the number of the others: `a, b, c and 4 more`."""
    rest = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {rest:,} more" if rest > 0 else "")


def nearest(name: str, valid: list[str]) -> str:
    """A hint such as `; did you mean 'epochs'?`, or the list of valid names when none is close."""
    import difflib

    close = difflib.get_close_matches(name, valid, n=1, cutoff=0.6)
    return f"; did you mean '{plain(close[0])}'?" if close else f"; valid are {', '.join(map(plain, sorted(valid)))}"


def run(main: Callable[[], None]) -> None:
    """Calls `main` and turns a `UserError`, a full disk, a file that cannot be read or written, or an interruption into
    one line and an exit status.

    Raises:
        SystemExit: 1 for a `UserError` or what a file or the disk refuses, 130 when interrupted from the keyboard.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a pipe on Windows takes no character beyond its code page
    try:
        try:
            main()
        finally:
            sys.stdout.flush()
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt as stopped:
        print(str(stopped) or "interrupted", file=sys.stderr)
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
    """Whether an error means a full disk; TensorFlow's own errors have the system's message in them."""
    if isinstance(error, OSError) and error.errno in FULL_DISK:
        return True
    return os.strerror(errno.ENOSPC) in str(error) or any(
        f"; {os.strerror(number)}" in str(error) for number in FULL_DISK
    )
