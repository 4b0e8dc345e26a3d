"""EfficientNet-Lite of a Faster R-CNN: two parts that share the network's weights."""

import numpy as np
import pytest
import tensorflow as tf

from apparel.models.tfod import efficientnet_lite_rcnn
from apparel.models.tfod.model import early_layers


@pytest.fixture(scope="module")
def extractor() -> efficientnet_lite_rcnn._FasterRcnn:
    return efficientnet_lite_rcnn._FasterRcnn("lite0", is_training=True, batch_norm_trainable=True)


def test_both_parts_together_are_the_network(extractor):
    first, second = (
        extractor.get_proposal_feature_extractor_model("FirstStage"),
        extractor.get_box_classifier_feature_extractor_model("SecondStage"),
    )
    names = [[weight.name for weight in part.weights] for part in (first, second, extractor.classification_backbone)]
    assert sorted(names[0] + names[1]) == sorted(names[2])
    photos = tf.random.stateless_uniform([2, 96, 64, 3], (1, 2))
    features = first(photos)
    assert features.shape == (2, 6, 4, 112)
    expected = extractor.classification_backbone(photos)
    assert expected.shape == (2, 3, 2, 1280)
    np.testing.assert_allclose(second(features), expected, rtol=1e-5, atol=1e-6)


def test_a_part_cut_out_at_14_becomes_7(extractor):
    second = extractor.get_box_classifier_feature_extractor_model("SecondStage")
    assert second(tf.zeros([3, 14, 14, 112])).shape == (3, 7, 7, 1280)


def test_early_layers_end_before_a_sixteenth(extractor):
    assert early_layers(extractor.classification_backbone)[-1].name == "block_5_expand_relu"


def test_another_stride_is_refused():
    with pytest.raises(ValueError, match="first_stage_features_stride has to be 16"):
        efficientnet_lite_rcnn._FasterRcnn("lite0", True, 8)
