"""What every test shares."""

import sys
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.repository import SHARED

# No time limits on property tests, since the machine may be busy.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips a test marked `shared(PATH)` where that path below `shared/`, beside the repository, is missing."""
    for mark in item.iter_markers("shared"):
        missing = [path for path in mark.args if not (SHARED / path).exists()]
        if missing:
            pytest.skip(f"needs real data: {SHARED / missing[0]} is not there")


@pytest.fixture(scope="session")
def empty_mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with MLflow's tables, to copy: MLflow takes seconds to create them."""
    from mlflow.store.db.utils import _initialize_tables, create_sqlalchemy_engine

    file = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    engine = create_sqlalchemy_engine(f"sqlite:///{file.as_posix()}")
    _initialize_tables(engine)
    engine.dispose()
    return file


@pytest.fixture(autouse=True)
def no_database_of_other_tests():
    """MLflow keeps connections by address, and `sqlite:///mlflow.db` is another file in each folder."""
    yield
    if "mlflow.store.tracking.sqlalchemy_store" in sys.modules:
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
        from mlflow.tracking._tracking_service.utils import _tracking_store_registry

        SqlAlchemyStore._engine_map.clear()
        _tracking_store_registry._get_store_with_resolved_uri.cache_clear()
