"""A lock is held by one process, and free again after an error."""

from pathlib import Path

import pytest

from apparel.errors import UserError
from apparel.utils import locking


def test_a_second_one_is_refused_until_the_first_ends_whichever_way(tmp_path: Path) -> None:
    lock = tmp_path / "below" / "a.lock"
    with pytest.raises(ZeroDivisionError), locking.only_one(lock, "taken"):
        with pytest.raises(UserError, match="taken"), locking.only_one(lock, "taken"):
            pass
        raise ZeroDivisionError
    with locking.only_one(lock, "taken"):
        pass


def test_whether_a_lock_is_held_can_be_asked_without_taking_it(tmp_path: Path) -> None:
    lock = tmp_path / "a.lock"
    with locking.only_one(lock, "taken"):
        assert locking.is_held(lock)
    assert not locking.is_held(lock)
    with locking.only_one(lock, "taken"):
        pass
