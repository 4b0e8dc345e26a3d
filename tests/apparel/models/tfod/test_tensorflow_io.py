"""An empty module replaces `tensorflow_io`, which the Object Detection API imports and does not need here."""

import sys
from importlib.util import find_spec
from pathlib import Path

from apparel.models.tfod import model


def test_api_loads_with_nothing_in_the_place_of_tensorflow_io():
    assert model.build_model
    assert sys.modules["tensorflow_io"].__spec__.loader is None


def test_api_still_imports_tensorflow_io():
    source = Path(find_spec("object_detection.meta_architectures.deepmac_meta_arch").origin)
    assert "import tensorflow_io" in source.read_text(encoding="utf-8"), "the module in its place may go"
