"""The MLflow tracking server: its address, a client for it, and the names that it accepts."""

import hashlib
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

from filelock import FileLock

from apparel import paths
from apparel.errors import UserError
from apparel.utils import addresses, buckets
from apparel.utils.addresses import address_only

LOCAL_SERVER = "sqlite:///mlflow.db"
"""Tracking URI unless MLFLOW_TRACKING_URI names another: a database in the project's root folder."""

DATABASE = Path("mlflow.db")
"""The file of `LOCAL_SERVER`."""

LONGEST_NAME = 250
"""Characters: MLflow's limit for the name of a metric, parameter, tag or file."""

LONGEST_VALUE = 5000
"""Characters: limit of older MLflow servers for the value of a parameter or tag."""

_remembered: list[str] = []
"""Addresses given in other ways than by MLFLOW_TRACKING_URI."""

_log_record = logging.getLogRecordFactory()

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # A request fails soon, and the sender tries again later: nothing hangs on a server that does not answer.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}
"""Settings of MLflow's client, where the user's environment has no others."""


def tracking_uri() -> str:
    """The tracking URI in use.

    Raises:
        UserError: as `check_address`.
    """
    address = os.environ.get("MLFLOW_TRACKING_URI") or LOCAL_SERVER
    check_address(address, "MLFLOW_TRACKING_URI")
    return address


def check_address(address: str, name: str) -> None:
    """Refuses a tracking URI that can name no server: runs would wait for it for ever.

    Raises:
        UserError: `address`, given as `name`, is a host and port without a scheme, a scheme without a host, a bucket,
            or has a password that MLflow or a database would take for a path or a host.
    """
    if re.match(r"https?://[^/?#]*[/?#].*@|(?!file:)[^/:]+:(?!//).*@", address):
        raise UserError(
            f"{name} has an '@' where MLflow sees no password; the form is http://USER:PASSWORD@HOST:PORT, "
            "with %40 for '@' and %2F for '/' in the password"
        )
    if re.match(r"(?!https?:|file:|sqlite)[\w+.-]+://[^/?#]*@[^/?#]*@", address):
        raise UserError(
            f"{name} has two '@', and a database takes the first for the end of the password; write %40 in it"
        )
    if re.match(r"[\w.-]+:\d+(/|$)", address):
        raise UserError(f"{name} is '{address}', which is no address; did you mean 'http://{address}'?")
    if re.match(r"https?:/*$", address):
        raise UserError(f"{name} is '{address}', which names no server")
    if buckets.is_address(address):
        bucket = address_only(address)
        raise UserError(
            f"{name} is '{bucket}', a bucket, and runs go to a server or a database; a server keeps their files there: "
            f"`mlflow server --artifacts-destination {bucket}`"
        )


def server_address() -> str:
    """The tracking URI in use without user name and password: what may be stored and shown."""
    return address_only(tracking_uri())


def remember(address: str) -> None:
    """Lets `with_password` know an address with its password, for as long as this process lasts."""
    _remembered.append(address)


def with_password(server: str) -> str:
    """The tracking URI for a request: the password is that of MLFLOW_TRACKING_URI if it names this server."""
    return next((address for address in _known_addresses() if address_only(address) == server), server)


def without_password(text: str) -> str:
    """A text without the users and passwords of its addresses, nor any form of the one in MLFLOW_TRACKING_URI."""
    return addresses.without_password(text, _secret_addresses())


def reason(error: BaseException) -> str:
    """The message of a library's error on one line, without passwords."""
    return addresses.reason(error, _secret_addresses())


def _known_addresses() -> list[str]:
    return [*_remembered, *filter(None, [os.environ.get("MLFLOW_TRACKING_URI")])]


def _secret_addresses() -> list[str]:
    secrets = filter(None, map(os.environ.get, ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")))
    return [*_known_addresses(), *(f"http://user:{secret}@" for secret in secrets)]


def clean_name(name: str) -> str:
    """`name` as MLflow accepts it: letters, digits, `_-. ` and single slashes, at most 250 characters.

    A name that had to be changed ends in a hash of the original, so that two names never become one.
    """
    parts = [re.sub(r"[^\w.\- ]", "_", part) for part in name[: LONGEST_NAME - 9].split("/")]
    cleaned = "/".join(part for part in parts if part not in ("", ".", "..")) or "_"
    if cleaned == name:
        return name
    path = PurePosixPath(cleaned)
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
    return path.with_name(f"{path.stem}-{digest}{path.suffix}").as_posix()


def clean_value(text: str) -> str:
    """A value without passwords, and without what databases refuse: the character 0, and what has no form in UTF-8."""
    return without_password(text).replace("\0", "\\0").encode(errors="backslashreplace").decode()[:LONGEST_VALUE]


def connect(address: str) -> Any:
    """An MLflow client. Creates the project's own database first if it is missing."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    logging.setLogRecordFactory(_password_free_record)  # MLflow logs a database's errors, which may have its address
    from mlflow import MlflowClient

    # Two processes that create the tables of one database at once leave a broken one.
    with FileLock(paths.LOCAL / "mlflow.lock"):
        if address == LOCAL_SERVER and not DATABASE.exists():
            _create_database()
        return MlflowClient(address)


def _password_free_record(*arguments: Any, **named: Any) -> logging.LogRecord:
    record = _log_record(*arguments, **named)
    record.msg, record.args = without_password(record.getMessage()), ()
    return record


def serve(uri: str, host: str, port: int) -> None:
    """Runs MLflow's server on a store until Ctrl-C or SIGTERM.

    Raises:
        UserError: MLflow fails; it has printed why.
        SystemExit: on SIGTERM, after MLflow's processes were ended.
    """
    options = ["--host", host, "--port", str(port), "--workers", "1", "--uvicorn-opts", "--log-level warning"]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_LOGGING_LEVEL": "WARNING", "PYTHONWARNINGS": "ignore"}
    # Job execution starts seven more processes, for features that the project does not use.
    environment = {**quiet, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **os.environ}
    environment["MLFLOW_BACKEND_STORE_URI"] = uri  # every user of the machine can read a command line, and its password
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # runs `finally` below
    with subprocess.Popen([sys.executable, "-m", "mlflow", "server", *options], env=environment) as process:
        try:
            process.wait()
        except KeyboardInterrupt:
            return
        finally:
            process.terminate()
    if process.returncode:
        raise UserError(f"MLflow ended with status {process.returncode}; its last lines above say why")


def _create_database() -> None:
    """Creates MLflow's tables in another folder, then moves the file: MLflow refuses a half-made database."""
    from mlflow.store.db.utils import _initialize_tables, create_sqlalchemy_engine

    new_store = paths.LOCAL / "new-store"
    shutil.rmtree(new_store, ignore_errors=True)
    new_store.mkdir()
    engine = create_sqlalchemy_engine(f"sqlite:///{(new_store / DATABASE).as_posix()}")
    _initialize_tables(engine)
    engine.dispose()
    (new_store / DATABASE).replace(DATABASE)
    new_store.rmdir()
