"""Where a study is kept, by an Optuna storage that outlives a restart of its server."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apparel.errors import UserError, one_line
from apparel.tracking.server import without_password

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage

LOCAL = "sqlite:///optuna.db"
"""Where studies are unless told otherwise: a file in the project's root, for the workers of one machine."""

LONGEST_WAIT = 3600
"""Seconds that a call waits for a server to come back."""


class Patient:
    """An Optuna storage whose calls are repeated until its server is back.

    A call whose answer was lost is made twice. That does no harm: values replace themselves, a trial that was created
    twice waits to be begun, and a finished one says that it is finished.
    """

    def __init__(self, storage: "BaseStorage") -> None:
        self._storage = storage

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._storage, name)
        return _patiently(found) if callable(found) else found


def _patiently(call: Callable[..., Any]) -> Callable[..., Any]:
    def repeated(*arguments: Any, **named: Any) -> Any:
        began, pause = time.monotonic(), 0.2
        while True:
            try:
                return call(*arguments, **named)
            except Exception as error:
                if not _is_away(error):
                    raise
                if time.monotonic() - began > LONGEST_WAIT:
                    raise UserError(
                        "the study's storage has not answered for an hour; the same command goes on"
                    ) from None
            time.sleep(pause)
            pause = min(2 * pause, 5)

    return repeated


def _is_away(error: Exception) -> bool:
    """Whether the server cannot be reached now, is starting or stopping, or has a database that is locked."""
    import grpc
    from sqlalchemy.exc import InterfaceError, OperationalError, PendingRollbackError

    if isinstance(error, grpc.RpcError):  # UNKNOWN: the proxy is there, and the database behind it is not
        return error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNKNOWN)
    cause = error.__cause__ or error
    # The last is what Optuna's second attempt within a broken session comes to.
    lost = isinstance(cause, OperationalError | InterfaceError | PendingRollbackError)
    return lost or getattr(cause, "connection_invalidated", False)


def open_storage(address: str, wait: bool = False) -> Patient:
    """The storage at an address: `sqlite:///…`, `postgresql://…`, or `grpc://host:port` for Optuna's proxy.

    Args:
        address: as SQLAlchemy takes it.
        wait: whether a server that is away now is waited for.

    Raises:
        UserError: it can't be opened.
    """
    import warnings

    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        return Patient(_patiently(_open)(address) if wait else _open(address))
    except (SQLAlchemyError, optuna.exceptions.OptunaError, ImportError, ConnectionError, ValueError) as error:
        raise UserError(f"no study can be kept at {without_password(address)}: {one_line(error)}") from None


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
    """The same address from any folder: a relative SQLite file is one of this folder."""
    file = address.removeprefix("sqlite:///")
    return f"sqlite:///{Path(file).absolute().as_posix()}" if file != address and file != ":memory:" else address


def load(address: str, study: str, wait: bool = False) -> "Study":
    """The study of that name; `wait` as for `open_storage`.

    Raises:
        UserError: there is none.
    """
    import optuna

    storage = open_storage(address, wait)
    try:
        return optuna.load_study(study_name=study, storage=storage)
    except KeyError:
        names = optuna.get_all_study_names(storage)
        known = f"; there are {', '.join(names)}" if names else ""
        raise UserError(f"{without_password(address)} has no study '{study}'{known}") from None
