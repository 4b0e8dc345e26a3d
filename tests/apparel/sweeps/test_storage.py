"""Storages are retried while their server restarts; a wrong address is refused."""

import optuna
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError, PendingRollbackError

from apparel.errors import UserError
from apparel.sweeps import storage
from apparel.utils import processes
from tests.support import studies


def test_calls_are_retried_until_the_server_is_back(monkeypatch):
    monkeypatch.setattr(storage.time, "sleep", lambda seconds: None)
    starting = OperationalError("select 1", {}, Exception("the database system is starting up"))
    failures = [starting, PendingRollbackError("can't reconnect"), starting]

    class Server:
        def get_all_studies(self) -> list:
            if failures:
                raise optuna.exceptions.StorageInternalError("away") from failures.pop()
            return ["one"]

        def get_trial(self, trial_id: int) -> None:
            raise KeyError(trial_id)

    assert storage.RetryingStorage(Server()).get_all_studies() == ["one"]
    with pytest.raises(KeyError):
        storage.RetryingStorage(Server()).get_trial(1)


def test_an_address_is_shown_without_its_password_and_a_wrong_one_is_refused():
    with pytest.raises(UserError, match=r"postgresql://127\.0\.0\.1:1/x") as refused:
        storage.open_storage("postgresql://me:secret@127.0.0.1:1/x")
    assert "secret" not in str(refused.value)
    with pytest.raises(UserError, match="cannot open the storage"):
        storage.open_storage("nosuch://x")
    with pytest.raises(UserError, match="gs://bucket/x is a bucket, and the workers of a sweep share a database"):
        storage.open_storage("gs://bucket/x")


@pytest.mark.parametrize("password", ["p4ss@w0rd", "p4ss:w0rd", "p4ss/w0rd", "p4ss%40w0rd", "p4ss#w0rd"])
def test_no_part_of_a_password_is_shown_whatever_the_driver_takes_it_for(password):
    for address in (f"postgresql://me:{password}@127.0.0.1:1/x", f"grpc://me:{password}@127.0.0.1:port"):
        with pytest.raises(UserError, match="cannot open the storage") as refused:
            storage.open_storage(address)
        assert "w0rd" not in str(refused.value)


def test_an_address_in_the_environment_is_the_default_and_in_no_command(monkeypatch):
    assert storage.default_address() == storage.LOCAL
    monkeypatch.setenv(storage.VARIABLE, "postgresql://me:secret@db/x")
    assert storage.default_address() == "postgresql://me:secret@db/x"


def test_an_sqlite_file_has_one_address_from_any_folder_whatever_the_folder_is_called(tmp_path, monkeypatch):
    folder = tmp_path / "my clone – ünï (1)?x#y%20"
    folder.mkdir()
    monkeypatch.chdir(folder)
    address = storage.absolute(storage.LOCAL)
    assert storage.absolute(address) == address
    engine = create_engine(address)
    monkeypatch.chdir(tmp_path)
    with engine.begin() as connection:
        connection.execute(text("create table made (x int)"))
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
    assert [path.name for path in folder.iterdir()] == ["optuna.db"]
    for other in ("sqlite:///:memory:", "postgresql://me@host/db", "grpc://host:13000"):
        assert storage.absolute(other) == other


@pytest.fixture
def created(tmp_path) -> optuna.Study:
    return studies.empty(tmp_path)


def test_nobody_waits_for_itself_or_for_a_driver_that_has_ended(created, monkeypatch):
    monkeypatch.setattr(storage.time, "sleep", lambda seconds: pytest.fail("it waits"))
    storage.set_creator(created)
    storage.wait_for_creator(created, "parent_run")
    created.set_user_attr(storage.CREATOR, processes.describe() | {"started": 0})
    storage.wait_for_creator(created, "parent_run")
    created.set_user_attr(storage.CREATOR, {"host": "other", "pid": 1, "started": 0})
    created.set_user_attr("parent_run", "x")
    storage.wait_for_creator(created, "parent_run")


@pytest.mark.parametrize("creator", [{"host": "other", "pid": 1, "started": 0}, None])
def test_other_drivers_wait_for_the_one_that_creates_the_study(created, monkeypatch, creator):
    waited = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            created.set_user_attr("snapshot", "x")

    monkeypatch.setattr(storage.time, "sleep", sleep)
    created.set_user_attr(storage.CREATOR, creator)
    storage.wait_for_creator(created, "snapshot")
    assert len(waited) == 3
    monkeypatch.setattr(storage, "SECONDS_TO_CREATE", 0)
    storage.wait_for_creator(created, "parent_run")  # the creator was lost
    assert len(waited) == 3
