import subprocess
import sys

import pytest

from apparel.utils import optional_imports
from tests.support.repository import ROOT

NOT_IN_TRAIN = (
    *("apache_beam", "dvc", "googleapiclient", "keras", "matplotlib", "mlflow", "optuna", "scipy", "sklearn"),
    *("tensorflow_hub", "object_detection.eval_util", "object_detection.model_lib_v2", "official.vision"),
)
"""What takes long to import and the stage train can do without."""

DEFERRED = """
from object_detection.core import target_assigner
from object_detection.models.keras_models import resnet_v1
from object_detection.utils import visualization_utils
assert resnet_v1.resnet.__name__.startswith("tf_keras."), resnet_v1.resnet
assert target_assigner.hungarian_matcher.HungarianBipartiteMatcher and "scipy.optimize" in sys.modules
assert visualization_utils.STANDARD_COLORS and "matplotlib.pyplot" in sys.modules
from object_detection.builders import optimizer_builder
assert optimizer_builder.ema_optimizer.ExponentialMovingAverage
import keras, scipy, sklearn
assert keras.__name__ == "keras" and keras.__version__.startswith("3")
"""
"""What is left out is imported where it is used: with TensorFlow's packages, or by others."""


@pytest.mark.slow
def test_train_imports_nothing_that_it_can_do_without_and_the_rest_is_imported_where_it_is_used() -> None:
    program = f"import sys, stages.train\nfound = {set(NOT_IN_TRAIN)!r} & set(sys.modules)\nassert not found, found\n"
    subprocess.run([sys.executable, "-c", program + DEFERRED], cwd=ROOT, check=True)


@pytest.fixture
def package(tmp_path, monkeypatch) -> str:
    """A package that can be imported, and that `tf_keras` is to do without."""
    (tmp_path / "left_out_by_keras.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(optional_imports.OPTIONAL, "tf_keras", ("left_out_by_keras",))
    monkeypatch.setattr(optional_imports, "_NAMES", {"left_out_by_keras"})
    yield "left_out_by_keras"
    sys.modules.pop("left_out_by_keras", None)


def test_a_package_is_left_out_for_its_importer_alone(package: str) -> None:
    for statement in (f"import {package}", f"import importlib; importlib.import_module('{package}')"):
        with pytest.raises(ModuleNotFoundError, match=f"{package} is left out"):
            exec(statement, {"__name__": "tf_keras.src.engine"})
    exec(f"import {package}", {"__name__": "apparel.utils"})
    exec(f"import {package}", {"__name__": "tf_keras.src.engine"})  # it is there already


def test_the_finder_is_installed_once() -> None:
    optional_imports.leave_out()
    assert sum(isinstance(finder, optional_imports._OptionalPackages) for finder in sys.meta_path) == 1
