"""EfficientNet-Lite 0, 1 and 2 as feature extractors of the Object Detection API, which has none of them.

Registers `ssd_efficientnet_lite0` to `…lite2`, feature maps as in SSD, and `ssd_efficientnet_lite0_fpn` and so on, with
the API's feature pyramid, in the API's model_builder.py. That may go once the API has them.

Source: github.com/tensorflow/tpu, models/official/efficientnet/lite: EfficientNet (Tan and Le 2019) without squeeze and
excitation, with ReLU6 in place of swish, and with a stem and a head of one width: all that mobile runtimes and integers
take badly is left out. Stochastic depth is left out, too: it draws random numbers, and a training would not repeat.
"""

import math
from functools import partial
from typing import NamedTuple

import tensorflow as tf
from object_detection.builders.hyperparams_builder import KerasLayerHyperparams
from object_detection.core.freezable_batch_norm import FreezableBatchNorm
from object_detection.meta_architectures.ssd_meta_arch import SSDKerasFeatureExtractor
from object_detection.models import feature_map_generators
from object_detection.utils import ops, shape_utils

from apparel.models.tfod import model_builder

MEAN, DEVIATION = 127.0, 128.0
"""Pixels, 0 to 255, minus the first and divided by the second are what the weights were trained with."""

STEM_FILTERS, HEAD_FILTERS = 32, 1280
"""Widths that do not grow with the network."""

FILTERS_DIVISOR = 8
"""Widths are multiples of it."""

LOWEST_SIDE = 33
"""Pixels; the API's other feature extractors refuse less, too."""

EXTRA_FILTERS = (512, 256, 256, 128)
"""Widths of the feature maps after the backbone's, as those of the API's SSDs on MobileNet."""

MOMENTUM, EPSILON = 0.99, 1e-3
"""Of batch normalisation, and the weight of L2 regularisation, where the pipeline file does not override them."""

L2_WEIGHT = 1e-5


class Stage(NamedTuple):
    """Blocks of one width: their number, the side of the depthwise kernel, the first one's stride, by what factor a
    block widens its input, and the width of its output; widths and numbers are those of Lite 0."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    filters: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)

SCALES = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}
"""By what factors each network is wider and deeper than Lite 0."""


def filters(width: int, factor: float) -> int:
    """A width times a factor, as a multiple of `FILTERS_DIVISOR` that is at most a tenth lower (MobileNet's rule)."""
    scaled = width * factor
    rounded = max(FILTERS_DIVISOR, int(scaled + FILTERS_DIVISOR / 2) // FILTERS_DIVISOR * FILTERS_DIVISOR)
    return rounded + FILTERS_DIVISOR if rounded < 0.9 * scaled else rounded


def backbone(network: str, depth_multiplier: float, min_depth: int, layers: "Layers") -> tf.keras.Model:
    """A network without its classifier.

    Args:
        network: a key of `SCALES`.
        depth_multiplier: factor of all widths.
        min_depth: the lowest width.
        layers: makes its convolutions and normalisations.

    Returns:
        A model from photos (B, H, W, 3) to the feature maps at strides 4, 8, 16 and 32: the widened features before
        the next stride, as MobileNet v2 gives them to an SSD, and the head's.
    """
    width_factor, depth_factor = SCALES[network]

    def width(base: int, factor: float = 1.0) -> int:
        return max(filters(base, factor * depth_multiplier), min_depth)

    photo = tf.keras.Input((None, None, 3))
    features = layers.convolution(photo, "stem", width(STEM_FILTERS), kernel=3, stride=2)
    feature_maps, number = [], 0
    for stage in STAGES:
        is_scaled = stage not in (STAGES[0], STAGES[-1])
        blocks = math.ceil(stage.blocks * depth_factor) if is_scaled else stage.blocks
        for position in range(blocks):
            stride = stage.stride if position == 0 else 1
            options = (stage.expansion, stage.kernel, stride, width(stage.filters, width_factor))
            expanded, features = _block(layers, features, f"block_{number}", *options)
            if stride == 2:
                feature_maps.append(expanded)
            number += 1
    head = layers.convolution(features, "head", width(HEAD_FILTERS))
    feature_maps = [*feature_maps[1:], head]
    return tf.keras.Model(photo, feature_maps, name=f"efficientnet_{network}")


def _block(layers: "Layers", inputs, name: str, expansion: int, kernel: int, stride: int, width: int):
    """An inverted residual block: its widened input, and its output."""
    expanded = inputs
    if expansion > 1:
        expanded = layers.convolution(inputs, f"{name}_expand", inputs.shape[-1] * expansion)
    features = layers.depthwise(expanded, f"{name}_depthwise", kernel, stride)
    features = layers.convolution(features, f"{name}_project", width, activation=False)
    if stride == 1 and features.shape[-1] == inputs.shape[-1]:
        features = tf.keras.layers.Add(name=f"{name}_add")([inputs, features])
    return expanded, features


class Layers:
    """Convolutions with batch normalisation, as the API's Keras models make them.

    Args:
        hyperparams: of the pipeline file, if `override_base_feature_extractor_hyperparams` is set; else None, and the
            network's own values.
        trains_statistics: whether batch normalisation follows the Keras learning phase; else it stays frozen.
    """

    def __init__(self, hyperparams: KerasLayerHyperparams | None, trains_statistics: bool) -> None:
        self._hyperparams, self._trains_statistics = hyperparams, trains_statistics

    def convolution(self, features, name: str, width: int, kernel: int = 1, stride: int = 1, activation: bool = True):
        """A convolution `name_conv` with its normalisation `name_bn`, and ReLU6 `name_relu`."""
        use_bias, regularizer, initializer = self._options()
        layer = tf.keras.layers.Conv2D(
            width,
            kernel,
            stride,
            padding="same",
            use_bias=use_bias,
            kernel_regularizer=regularizer,
            kernel_initializer=initializer,
            name=f"{name}_conv",
        )
        return self._normalised(layer(features), name, activation)

    def depthwise(self, features, name: str, kernel: int, stride: int):
        """A convolution of each channel by itself, with the same names."""
        use_bias, regularizer, initializer = self._options()
        layer = tf.keras.layers.DepthwiseConv2D(
            kernel,
            stride,
            padding="same",
            use_bias=use_bias,
            depthwise_regularizer=regularizer,
            depthwise_initializer=initializer,
            name=f"{name}_conv",
        )
        return self._normalised(layer(features), name, activation=True)

    def _options(self) -> tuple:
        if self._hyperparams:
            options = self._hyperparams.params()
            return options["use_bias"], options["kernel_regularizer"], options["kernel_initializer"]
        initializer = tf.keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")
        return False, tf.keras.regularizers.l2(L2_WEIGHT), initializer

    def _normalised(self, features, name: str, activation: bool):
        if self._hyperparams:
            norm = self._hyperparams.build_batch_norm(training=self._trains_statistics, name=f"{name}_bn")
        else:
            norm = FreezableBatchNorm(
                training=self._trains_statistics, momentum=MOMENTUM, epsilon=EPSILON, name=f"{name}_bn"
            )
        features = norm(features)
        return tf.keras.layers.ReLU(6.0, name=f"{name}_relu")(features) if activation else features


class _EfficientNetLite(SSDKerasFeatureExtractor):
    """What both feature extractors share: the backbone, and how photos go into it."""

    def __init__(self, network: str, **options) -> None:
        if options.get("use_explicit_padding"):
            raise ValueError("EfficientNet-Lite pads as TensorFlow does: leave out use_explicit_padding")
        super().__init__(**options)
        self._network = network
        self.classification_backbone = None
        self._feature_map_generator = None

    @property
    def _trains_statistics(self) -> bool:
        return self._is_training and not self._freeze_batchnorm

    def _build_backbone(self, first_level: int) -> None:
        """The backbone with its feature maps from a level, of stride 2**level, to level 5."""
        hyperparams = self._conv_hyperparams if self._override_base_feature_extractor_hyperparams else None
        layers = Layers(hyperparams, self._trains_statistics)
        full = backbone(self._network, self._depth_multiplier, self._min_depth, layers)
        self.classification_backbone = tf.keras.Model(full.inputs, full.outputs[first_level - 2 :], name=full.name)

    def preprocess(self, resized_inputs):
        """Photos (B, H, W, 3) from 0 to 255 as the network takes them, from -0.99 to 1."""
        return (resized_inputs - MEAN) / DEVIATION

    def _backbone_features(self, preprocessed_inputs) -> list:
        photos = shape_utils.check_min_image_dim(LOWEST_SIDE, preprocessed_inputs)
        return self.classification_backbone(ops.pad_to_multiple(photos, self._pad_to_multiple))


class _Ssd(_EfficientNetLite):
    """Feature maps at strides 16 and 32, and others of half the size each, as in the API's SSDs on MobileNet."""

    def __init__(self, network: str, num_layers: int = 6, **options) -> None:
        super().__init__(network, num_layers=num_layers, **options)
        self._maps = ("stride_16", "stride_32")
        self._layout = {
            "from_layer": [*self._maps, *[""] * len(EXTRA_FILTERS)][:num_layers],
            "layer_depth": [-1, -1, *EXTRA_FILTERS][:num_layers],
            "use_depthwise": self._use_depthwise,
        }

    def build(self, input_shape) -> None:
        """Creates the layers."""
        self._build_backbone(first_level=4)
        self._feature_map_generator = feature_map_generators.KerasMultiResolutionFeatureMaps(
            feature_map_layout=self._layout,
            depth_multiplier=self._depth_multiplier,
            min_depth=self._min_depth,
            insert_1x1_conv=True,
            is_training=self._is_training,
            conv_hyperparams=self._conv_hyperparams,
            freeze_batchnorm=self._freeze_batchnorm,
            name="FeatureMaps",
        )
        self.built = True

    def _extract_features(self, preprocessed_inputs) -> list:
        features = self._backbone_features(preprocessed_inputs)
        return list(self._feature_map_generator(dict(zip(self._maps, features, strict=True))).values())


class _Fpn(_EfficientNetLite):
    """The API's feature pyramid: maps of one width at the strides from 2**fpn_min_level to 2**fpn_max_level."""

    def __init__(
        self, network: str, fpn_min_level: int = 3, fpn_max_level: int = 7, additional_layer_depth: int = 256, **options
    ) -> None:
        if not 2 <= fpn_min_level <= 5 <= fpn_max_level:
            raise ValueError("the fpn's min_level is from 2 to 5 and its max_level at least 5")
        super().__init__(network, **options)
        self._levels = range(fpn_min_level, fpn_max_level + 1)
        self._width = max(int(additional_layer_depth * self._depth_multiplier), self._min_depth)
        self._coarse_layers = []

    def build(self, input_shape) -> None:
        """Creates the layers."""
        self._build_backbone(self._levels[0])
        common = {"conv_hyperparams": self._conv_hyperparams, "is_training": self._is_training}
        common |= {"use_depthwise": self._use_depthwise, "freeze_batchnorm": self._freeze_batchnorm}
        self._feature_map_generator = feature_map_generators.KerasFpnTopDownFeatureMaps(
            num_levels=6 - self._levels[0], depth=self._width, name="FeatureMaps", **common
        )
        for level in self._levels[6 - self._levels[0] :]:
            layers = feature_map_generators.create_conv_block(
                kernel_size=3, padding="SAME", stride=2, layer_name=f"level_{level}", depth=self._width, **common
            )
            self._coarse_layers.append(layers)
        self.built = True

    def _extract_features(self, preprocessed_inputs) -> list:
        features = self._backbone_features(preprocessed_inputs)
        features = features if isinstance(features, list) else [features]  # Keras gives a single one as it is
        named = [(f"level_{level}", feature) for level, feature in zip(self._levels, features, strict=False)]
        feature_maps = list(self._feature_map_generator(named).values())
        for layers in self._coarse_layers:
            coarser = feature_maps[-1]
            for layer in layers:
                coarser = layer(coarser)
            feature_maps.append(coarser)
        return feature_maps


for _network in SCALES:
    model_builder.SSD_KERAS_FEATURE_EXTRACTOR_CLASS_MAP.update(
        {
            f"ssd_efficientnet_{_network}": partial(_Ssd, _network),
            f"ssd_efficientnet_{_network}_fpn": partial(_Fpn, _network),
        }
    )
