"""Optuna storages of studies, whose calls are retried while their server restarts."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apparel.errors import UserError
from apparel.utils import buckets, processes
from apparel.utils.addresses import address_only, reason

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage

LOCAL = "sqlite:///optuna.db"
"""Default storage: a file in the project's root, for the workers of one machine."""

VARIABLE = "APPAREL_STORAGE"
"""Environment variable with the address of a storage: every user of the machine can read a command line."""

SECONDS_OF_RETRIES = 3600
"""How long a call is retried while its server is away: long enough for an upgrade of a database."""


CREATOR = "creator"
"""Attribute of a study with the identity of the driver that created it."""

SECONDS_TO_CREATE = 60
"""How long other drivers wait for the one that creates a study; it writes a few values, and each first trial."""


def default_address() -> str:
    """The storage where a command names none."""
    return os.environ.get(VARIABLE) or LOCAL


class RetryingStorage:
    """An Optuna storage whose calls are retried until its server is back.

    A call whose answer was lost is made twice. That does no harm: a value is set to itself, a trial that was added
    twice stays in the queue, and ending a finished trial raises.

    Ours, since `RDBStorage` raises when its connection breaks, and a restart of PostgreSQL takes seconds.
    """

    def __init__(self, storage: "BaseStorage") -> None:
        self._storage = storage

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._storage, name)
        return _retrying(attribute) if callable(attribute) else attribute


def _retrying(call: Callable[..., Any]) -> Callable[..., Any]:
    def repeated(*arguments: Any, **named: Any) -> Any:
        start, pause = time.monotonic(), 0.2
        while True:
            try:
                return call(*arguments, **named)
            except Exception as error:
                if not _is_away(error):
                    raise
                if time.monotonic() - start > SECONDS_OF_RETRIES:
                    raise UserError(
                        "the study's storage has not answered for an hour; run the same command again to continue"
                    ) from None
            time.sleep(pause)
            pause = min(2 * pause, 5)

    return repeated


def _is_away(error: Exception) -> bool:
    """Whether the server cannot be reached, is starting or stopping, or its database is locked."""
    import grpc
    from sqlalchemy.exc import InterfaceError, OperationalError, PendingRollbackError

    if isinstance(error, grpc.RpcError):  # UNKNOWN: the proxy answers, the database behind it does not
        return error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNKNOWN)
    cause = error.__cause__ or error
    # PendingRollbackError is what Optuna's own retry within a broken session raises.
    lost = isinstance(cause, OperationalError | InterfaceError | PendingRollbackError)
    return lost or getattr(cause, "connection_invalidated", False)


def open_storage(address: str, wait: bool = False) -> RetryingStorage:
    """The storage at an address: `sqlite:///…`, `postgresql://…`, or `grpc://host:port` for Optuna's proxy.

    Args:
        address: as SQLAlchemy takes it.
        wait: whether to wait for a server that is away.

    Raises:
        UserError: the storage can't be opened.
    """
    if buckets.is_address(address):
        raise UserError(
            f"{address_only(address)} is a bucket, and the workers of a sweep share a database: see docs/sweeps.md"
        )
    import warnings

    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        return RetryingStorage(_retrying(_open)(address) if wait else _open(address))
    except (SQLAlchemyError, optuna.exceptions.OptunaError, ImportError, ConnectionError, ValueError) as error:
        raise UserError(f"cannot open the storage {address_only(address)}: {reason(error, [address])}") from None


def _open(address: str) -> "BaseStorage":
    from optuna.storages import GrpcStorageProxy, RDBStorage, get_storage

    if address.startswith("grpc://"):
        host, _, port = address.removeprefix("grpc://").rstrip("/").rpartition(":")
        proxy = GrpcStorageProxy(host=host, port=int(port))
        proxy.wait_server_ready(timeout=60)
        return proxy
    options = {"connect_args": {"timeout": 60}} if address.startswith("sqlite") else {"pool_pre_ping": True}
    return get_storage(RDBStorage(absolute(address), engine_kwargs=options))


def absolute(address: str) -> str:
    """The address with the path of an SQLite file made absolute, so that it is the same from any folder."""
    from sqlalchemy import make_url

    if not address.startswith("sqlite:///") or address.endswith((":memory:", "uri=true")):
        return address
    url = make_url(address)  # which quotes what a folder's name may hold, such as `?`
    return url.set(database=Path(url.database).absolute().as_posix()).render_as_string()


def set_creator(study: "Study") -> None:
    """Notes that this process created the study."""
    study.set_user_attr(CREATOR, processes.describe())


def wait_for_creator(study: "Study", attribute: str) -> None:
    """Returns once the driver that created the study has set an attribute, or has ended, or has had a minute.

    Databases give two drivers that start at the same time one study, but nothing keeps both from setting an attribute.
    """
    until = time.monotonic() + SECONDS_TO_CREATE
    while attribute not in (attributes := study.user_attrs) and time.monotonic() < until:
        creator = attributes.get(CREATOR)  # which it notes first
        if creator and (creator == processes.describe() or not _may_work(creator)):
            return
        time.sleep(0.2)


def _may_work(process: dict[str, Any]) -> bool:
    """Whether a process works, or is one of another machine."""
    return not processes.is_here(process) or processes.is_alive(process)


def load_study(address: str, study: str, wait: bool = False) -> "Study":
    """The study of that name; `wait` as for `open_storage`.

    Raises:
        UserError: the storage has no such study.
    """
    import optuna

    storage = open_storage(address, wait)
    try:
        return optuna.load_study(study_name=study, storage=storage)
    except KeyError:
        names = optuna.get_all_study_names(storage)
        others = f"; it has {', '.join(names)}" if names else ""
        raise UserError(f"{address_only(address)} has no study '{study}'{others}") from None
