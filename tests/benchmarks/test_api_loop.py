import subprocess
import sys

import pytest

from tests.support.repository import ROOT

PATCHED = """
from benchmarks import api_loop
api_loop.prepare()
import sys
from object_detection import inputs, model_lib_v2
from object_detection.models.keras_models import mobilenet_v1
backbone = mobilenet_v1.mobilenet_v1(None, alpha=0.5, include_top=False, weights=None, input_shape=(64, 64, 3))
print(backbone.get_layer("conv_pw_13").output_shape[-1], "apparel.models.tfod" in sys.modules)
"""


@pytest.mark.slow
def test_the_api_is_as_it_comes_but_for_the_depth_multiplier():
    done = subprocess.run([sys.executable, "-c", PATCHED], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split()[-2:] == ["512", "False"], done.stderr
