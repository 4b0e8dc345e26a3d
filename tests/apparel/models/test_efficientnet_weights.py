"""EfficientNet-Lite's weights: each tensor has its variable, and the network computes with them what it should."""

import re
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import tensorflow as tf

from apparel.errors import UserError
from apparel.models import efficientnet_weights, packaged_weights
from apparel.models.tfod import efficientnet_lite
from apparel.utils import torch_weights
from tests.support import torch_files
from tests.support.repository import PRETRAINED, ROOT, SHARED

SIDES = {0: 224, 2: 260}
"""Pixels of the photos that each was trained on."""

GARMENTS = (399, 411, 474, 568, 578, 608, 610, 614, 617, 638, 639, 655, 689, 697, 735, 775, 824, 834, 841, 869, 887)
"""ImageNet's classes of garments, from abaya and apron to trench coat and vestment."""


def path(number: int) -> Path:
    return packaged_weights.read(ROOT / f"data/pretrained/efficientnet_lite{number}").path()


def backbone(number: int, depth_multiplier: float = 1.0) -> tf.keras.Model:
    layers = efficientnet_lite.Layers(None, trains_statistics=True)
    return efficientnet_lite.backbone(f"lite{number}", depth_multiplier, 16, layers)


@pytest.fixture(scope="module", params=[0, pytest.param(2, marks=pytest.mark.slow)])
def loaded(request) -> tuple[int, tf.keras.Model, dict[str, np.ndarray]]:
    model = backbone(request.param)
    efficientnet_weights.load_weights(model, path(request.param))
    return request.param, model, torch_weights.read_tensors(path(request.param))


@pytest.mark.parametrize(
    ("variable", "tensor"),
    [
        ("stem_conv/kernel:0", "_conv_stem.weight"),
        ("stem_bn/beta:0", "_bn0.bias"),
        ("block_0_depthwise_conv/depthwise_kernel:0", "_blocks.0._depthwise_conv.weight"),
        ("block_12_expand_bn/moving_variance:0", "_blocks.12._bn0.running_var"),
        ("block_3_project_bn/gamma:0", "_blocks.3._bn2.weight"),
        ("head_bn/moving_mean:0", "_bn1.running_mean"),
        ("conv1/kernel:0", None),
        ("block_1_stem_bn/gamma:0", None),
        ("stem_conv/bias:0", None),
    ],
)
def test_names(variable, tensor):
    assert efficientnet_weights.torch_name(variable) == tensor


def _convolution(photo: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    """(C, H, W) and PyTorch's kernel -> (D, H/s, W/s), padded by TensorFlow's rule SAME, which for a stride of 2 and an
    even side has one more row and column after the photo than before it."""
    side, size = photo.shape[1], kernel.shape[-1]
    padding = max((-(-side // stride) - 1) * stride + size - side, 0)
    padded = np.pad(photo, [(0, 0), *[(padding // 2, padding - padding // 2)] * 2])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), (1, 2))[:, ::stride, ::stride]
    if kernel.shape[1] == 1 and kernel.shape[0] == photo.shape[0] and size > 1:
        return np.einsum("chwij,cij->chw", windows, kernel[:, 0])
    return np.einsum("chwij,dcij->dhw", windows, kernel)


def _layer(tensors: dict, features: np.ndarray, conv: str, norm: str, stride: int = 1, top: float = 6.0) -> np.ndarray:
    features = _convolution(features, tensors[f"{conv}.weight"], stride)
    mean, variance, scale, shift = (
        tensors[f"{norm}.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
    )
    features = (features - mean) / np.sqrt(variance + 1e-3) * scale + shift
    return np.clip(features, 0, top) if top else features


def test_the_first_blocks_compute_what_a_plain_implementation_does(loaded):
    number, model, tensors = loaded
    photo = np.random.default_rng(number).normal(size=(1, 64, 64, 3)).astype(np.float32)
    features = _layer(tensors, photo[0].transpose(2, 0, 1), "_conv_stem", "_bn0", stride=2)
    features = _layer(tensors, features, "_blocks.0._depthwise_conv", "_blocks.0._bn1")
    features = _layer(tensors, features, "_blocks.0._project_conv", "_blocks.0._bn2", top=0)
    features = _layer(tensors, features, "_blocks.1._expand_conv", "_blocks.1._bn0")
    features = _layer(tensors, features, "_blocks.1._depthwise_conv", "_blocks.1._bn1", stride=2)
    block_1 = _layer(tensors, features, "_blocks.1._project_conv", "_blocks.1._bn2", top=0)
    features = _layer(tensors, block_1, "_blocks.2._expand_conv", "_blocks.2._bn0")
    features = _layer(tensors, features, "_blocks.2._depthwise_conv", "_blocks.2._bn1")
    block_2 = block_1 + _layer(tensors, features, "_blocks.2._project_conv", "_blocks.2._bn2", top=0)
    computed = tf.keras.Model(model.inputs, model.get_layer("block_2_add").output)(photo, training=False)
    np.testing.assert_allclose(computed[0].numpy().transpose(2, 0, 1), block_2, rtol=1e-3, atol=1e-3)


@pytest.mark.shared("apparel/samples")
def test_photos_of_garments_are_classified_as_garments(loaded):
    number, model, tensors = loaded
    with zipfile.ZipFile(SHARED / "apparel" / "samples" / "samples-1.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))[:60:6]
        photos = [tf.io.decode_jpeg(archive.read(name)) for name in names]
    photos = tf.stack([tf.image.resize(photo, [SIDES[number]] * 2) for photo in photos])
    features = model((photos - efficientnet_lite.MEAN) / efficientnet_lite.DEVIATION, training=False)[-1]
    logits = features.numpy().mean((1, 2)) @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    assert np.isin(logits.argmax(1), GARMENTS).sum() >= 6


@pytest.mark.shared("pretrained/efficientnet_lite0_imagenet_notop.weights.h5")
def test_weights_are_those_that_others_converted(loaded):
    number, model, _ = loaded
    with h5py.File(PRETRAINED / f"efficientnet_lite{number}_imagenet_notop.weights.h5") as file:
        kinds = {"batch_normalization": "_bn", "depthwise_conv2d": "depthwise_conv", "conv2d": "_conv"}
        for kind, ending in kinds.items():
            theirs = [name for name in file["layers"] if re.fullmatch(rf"{kind}(_\d+)?", name)]
            theirs.sort(key=lambda name: int(name.removeprefix(kind).removeprefix("_") or 0))
            ours = [layer for layer in model.layers if layer.name.endswith(ending)]
            ours = [layer for layer in ours if kind != "conv2d" or not layer.name.endswith("depthwise_conv")]
            for name, layer in zip(theirs, ours, strict=True):
                stored = file["layers"][name]["vars"]
                for place, weight in enumerate(layer.weights):
                    np.testing.assert_array_equal(stored[str(place)][()], weight.numpy())


def refusal(model: tf.keras.Model, file: Path) -> str:
    before = model.get_layer("stem_conv").kernel.numpy()
    with pytest.raises(UserError) as refused:
        efficientnet_weights.load_weights(model, file)
    np.testing.assert_array_equal(model.get_layer("stem_conv").kernel.numpy(), before)
    return str(refused.value)


def test_weights_of_another_network_or_width_are_refused(tmp_path):
    assert "_conv_stem.weight has [3, 3, 3, 32], the detector's has [3, 3, 3, 16]" in refusal(backbone(0, 0.5), path(0))
    assert "another shape" in refusal(backbone(0), path(2))
    few = tmp_path / "few.pth"
    few.write_bytes(torch_files.content({"_conv_stem.weight": np.zeros((32, 3, 3, 3), "<f4")}))
    assert "the detector's backbone has stem_bn/gamma:0, the weights do not" in refusal(backbone(0), few)
