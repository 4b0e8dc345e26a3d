"""What a checkpoint does not have of a network: how many variables, and the first few."""

from pathlib import Path

import pytest
import tensorflow as tf

from apparel.models.checkpoint_difference import describe_difference
from apparel.models.detector import CheckpointMismatch, restore_checkpoint


class Layers(tf.Module):
    """Some variables in a list, the first ones shared with an attribute."""

    def __init__(self, *widths: int):
        super().__init__()
        self.layers = [tf.Variable(tf.zeros([2, width]), name=f"net/block/layer_{width}/kernel") for width in widths]
        self.first = self.layers[0]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A folder with the checkpoint of three layers of widths 3, 4 and 5."""
    tf.train.Checkpoint(model=Layers(3, 4, 5)).write(str(tmp_path / "checkpoint" / "ckpt-0"))
    return tmp_path


def test_the_same_variables_are_no_difference(saved: Path) -> None:
    path = saved / "checkpoint" / "ckpt-0"
    assert describe_difference(tf.train.Checkpoint(model=Layers(3, 4, 5)), path) is None
    assert describe_difference(tf.train.Checkpoint(model=Layers(3)), path) is None


def test_variables_are_counted_once_and_the_first_few_named(saved: Path) -> None:
    objects = tf.train.Checkpoint(model=Layers(3, 6, 5, 7, 8, 9, 10))
    assert describe_difference(objects, saved / "checkpoint" / "ckpt-0") == (
        "5 of its 7 variables are missing or have another shape: layer_6/kernel ([2, 4] there, [2, 6] here), "
        "layer_7/kernel (missing), layer_8/kernel (missing) and 2 more"
    )


def test_the_error_is_one_line_with_count_names_and_remedy(saved: Path) -> None:
    with pytest.raises(CheckpointMismatch) as raised:
        restore_checkpoint(tf.train.Checkpoint(model=Layers(3, 4, 5, 6, 7)), saved)
    assert str(raised.value) == (
        f"{saved / 'checkpoint' / 'ckpt-0'} is of another shape than the detector: 2 of its 5 variables are missing or "
        "have another shape: layer_6/kernel (missing), layer_7/kernel (missing); "
        "check train.detector, train.checkpoint_type, train.depth_multiplier and the number of classes"
    )
