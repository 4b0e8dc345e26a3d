"""What every test shares."""

import shutil
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


@pytest.fixture(scope="module")
def mlflow_folder(tmp_path_factory: pytest.TempPathFactory, empty_mlflow_database: Path) -> Path:
    """A folder with MLflow's tables, for all tests of a module."""
    folder = tmp_path_factory.mktemp("mlflow")
    shutil.copy(empty_mlflow_database, folder)
    return folder


@pytest.fixture(scope="session")
def three_stages_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DVC project of three stages that ran, to copy: DVC takes seconds to make it."""
    from tests.support import three_stage_project

    return three_stage_project.make(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="session")
def traced(
    three_stages_run: Path, empty_mlflow_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """The same with the training's run in MLflow, and that run's id, to copy."""
    from tests.support import traced_project

    return traced_project.make(three_stages_run, empty_mlflow_database, tmp_path_factory.mktemp("traced") / "project")


@pytest.fixture(scope="session")
def two_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DVC project with two commits' results, to copy."""
    from tests.support import measured_project

    return measured_project.two_commits(tmp_path_factory.mktemp("two"))


@pytest.fixture(autouse=True)
def no_database_of_other_tests():
    """MLflow keeps connections by address, and `sqlite:///mlflow.db` is another file in each folder."""
    yield
    if "mlflow.store.tracking.sqlalchemy_store" in sys.modules:
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
        from mlflow.tracking._tracking_service.utils import _tracking_store_registry

        SqlAlchemyStore._engine_map.clear()
        _tracking_store_registry._get_store_with_resolved_uri.cache_clear()
