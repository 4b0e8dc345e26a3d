"""File locks: a second process that does the same (a stage, an import, a training) is refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from apparel.errors import UserError


@contextmanager
def only_one(lock: Path, refusal: str) -> Iterator[None]:
    """Holds the file `lock`; the operating system releases it when the process ends, whichever way.

    Raises:
        UserError: another process holds it; `refusal` is the message.
    """
    from filelock import FileLock, Timeout

    lock.parent.mkdir(parents=True, exist_ok=True)
    file_lock = FileLock(lock)
    try:
        file_lock.acquire(timeout=0)
    except Timeout:
        raise UserError(refusal) from None
    try:
        yield
    finally:
        file_lock.release()


def is_held(lock: Path) -> bool:
    """Whether a process holds the file `lock` now."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
