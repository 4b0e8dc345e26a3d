"""Errors that are meant for a person: one message that names what is wrong, where, and the remedy."""

import errno
import sys
from collections.abc import Callable


class UserError(Exception):
    """Something the user can mend. The message is all that is shown: no traceback."""


class Pruned(UserError):
    """A sweep stopped this training since other trials did better: an end before the last step, no failure."""


def nearest(name: str, known: list[str]) -> str:
    """A hint such as `; did you mean 'epochs'?`, or a list of what is known when nothing is close."""
    import difflib

    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else f"; known are {', '.join(sorted(known))}"


def run(main: Callable[[], None]) -> None:
    """Calls `main` and turns a `UserError`, a full disk or an interruption into one line and an exit status.

    Raises:
        SystemExit: 1 for a `UserError` or a full disk, 130 when interrupted from the keyboard.
    """
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        sys.exit(f"error: no space left on the disk for {error.filename or 'an output'}; free some and run again")
