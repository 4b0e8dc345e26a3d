"""EfficientNet-Lite 0, 1 and 2 as feature extractors of the Object Detection API's Faster R-CNN.

Registers `faster_rcnn_efficientnet_lite0` to `…lite2` in the API's model_builder.py. That may go once the API has them.
The first stage proposes boxes on the feature map at stride 16 (Ren et al. 2015, arXiv 1506.01497); the second puts what
is cut out of that map through the rest of the network, as the API's Faster R-CNN on ResNet does (He et al. 2015, arXiv
1512.03385, appendix A).
"""

from functools import partial

import tensorflow as tf
from object_detection.builders.hyperparams_builder import KerasLayerHyperparams
from object_detection.meta_architectures.faster_rcnn_meta_arch import FasterRCNNKerasFeatureExtractor
from object_detection.utils import shape_utils

from apparel.models.tfod import efficientnet_lite, model_builder
from apparel.models.tfod.efficientnet_lite import LOWEST_SIDE, SCALES, Layers

STRIDE = 16
"""Pixels of the photo between places of the first stage's feature map."""

MIN_DEPTH = 16
"""The lowest width, as in the pipeline files of the SSDs; a Faster R-CNN's has no field for it."""


class _FasterRcnn(FasterRCNNKerasFeatureExtractor):
    """The network in two parts, with weights of one name each as in the SSDs."""

    def __init__(
        self,
        network: str,
        is_training: bool,
        first_stage_features_stride: int = STRIDE,
        batch_norm_trainable: bool = False,
        conv_hyperparams: KerasLayerHyperparams | None = None,
        override_base_feature_extractor_hyperparams: bool = False,
    ) -> None:
        if first_stage_features_stride != STRIDE:
            raise ValueError(f"first_stage_features_stride has to be {STRIDE}")
        super().__init__(is_training, first_stage_features_stride, batch_norm_trainable)
        hyperparams = conv_hyperparams if override_base_feature_extractor_hyperparams else None
        layers = Layers(hyperparams, self._train_batch_norm)
        full = efficientnet_lite.backbone(network, 1.0, MIN_DEPTH, layers)
        self.classification_backbone = tf.keras.Model(full.inputs, full.outputs[-1], name=full.name)

    def preprocess(self, resized_inputs):
        """Photos (B, H, W, 3) from 0 to 255 as the network takes them, from -0.99 to 1."""
        photos = shape_utils.check_min_image_dim(LOWEST_SIDE, resized_inputs)
        return (photos - efficientnet_lite.MEAN) / efficientnet_lite.DEVIATION

    def get_proposal_feature_extractor_model(self, name: str | None = None) -> tf.keras.Model:
        """From photos (B, H, W, 3) to the feature map at stride 16."""
        return tf.keras.Model(self.classification_backbone.inputs, self._border, name=name)

    def get_box_classifier_feature_extractor_model(self, name: str | None = None) -> tf.keras.Model:
        """From parts of that map (N, h, w, C) to the head's features (N, h / 2, w / 2, 1280)."""
        return tf.keras.Model(self._border, self.classification_backbone.outputs, name=name)

    @property
    def _border(self):
        """The output of the last block at stride 16: what the last convolution of stride 2 starts from."""
        layers = self.classification_backbone.layers
        last = max(number for number, layer in enumerate(layers) if getattr(layer, "strides", (1, 1)) == (2, 2))
        expansion = layers[last].name.replace("_depthwise_conv", "_expand_conv")
        return self.classification_backbone.get_layer(expansion).input


for _network in SCALES:
    model_builder.FASTER_RCNN_KERAS_FEATURE_EXTRACTOR_CLASS_MAP[f"faster_rcnn_efficientnet_{_network}"] = partial(
        _FasterRcnn, _network
    )
