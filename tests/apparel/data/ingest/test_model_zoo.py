import re

import pytest

from apparel.data.ingest import model_zoo
from apparel.errors import UserError


def test_the_table_holds_the_zoos_with_addresses_of_their_hosts():
    weights = model_zoo.published()
    assert len({entry.name for entry in weights}) == len({entry.address for entry in weights}) == len(weights) > 100
    hosts = {
        "TensorFlow 1": r"http://download\.tensorflow\.org/models/object_detection/(tf1/)?[\w.-]+\.tar\.gz",
        "TensorFlow 2": r"http://download\.tensorflow\.org/models/object_detection/tf2/\d{8}/[\w.-]+\.tar\.gz",
        "Keras": r"https://storage\.googleapis\.com/tensorflow/keras-applications/mobilenet(_v2)?/[\w.-]+_no_top\.h5",
    }
    for entry in weights:
        assert re.fullmatch(hosts[entry.kind], entry.address)
        assert entry.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", entry.sha256)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("ssd_mobilenet_v1_coco", "ssd_mobilenet_v1_coco_2018_01_28.tar.gz"),
        ("ssd_mobilenet_v1_coco_2018_01_28", "ssd_mobilenet_v1_coco_2018_01_28.tar.gz"),
        ("ssd_mobilenet_v1_0.75_depth_coco", "ssd_mobilenet_v1_0.75_depth_300x300_coco14_sync_2018_07_03.tar.gz"),
        (
            "ssd_mobilenet_v2_fpnlite_320x320_coco17_tpu-8",
            "tf2/20200711/ssd_mobilenet_v2_fpnlite_320x320_coco17_tpu-8.tar.gz",
        ),
        ("faster_rcnn_resnet50_v1_640x640_coco17_tpu-8", "faster_rcnn_resnet50_v1_640x640_coco17_tpu-8.tar.gz"),
        ("mobilenet_7_5_192_tf_no_top.h5", "keras-applications/mobilenet/mobilenet_7_5_192_tf_no_top.h5"),
    ],
)
def test_weights_are_found_by_their_name_and_by_that_of_their_file(name, path):
    assert model_zoo.find_weights(name).address.endswith(path)


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(UserError, match=r"did you mean 'ssd_mobilenet_v1_coco'\?; .*--checkpoint --list"):
        model_zoo.find_weights("ssd_mobilnet_v1_coco")


def test_the_list_can_be_searched_and_marks_what_cannot_be_read():
    lines = model_zoo.list_text("mobilenet_v1_coco").splitlines()
    assert len(lines) == 1 and "77 MB" in lines[0] and "cannot" not in lines[0]
    assert "cannot be read here" in model_zoo.list_text("ssdlite_mobilenet_v2_coco")
    with pytest.raises(UserError, match="have 'yolo' in their name"):
        model_zoo.list_text("yolo")


def test_it_is_said_before_what_is_fetched(monkeypatch):
    text = model_zoo.describe(model_zoo.find_weights("ssd_mobilenet_v1_coco"))
    assert "Apache-2.0" in text and "77 MB" in text and "SHA-256 8788f89108519fd1" in text
    assert "http://download.tensorflow.org/models/object_detection/ssd_mobilenet_v1_coco_2018_01_28.tar.gz" in text
    monkeypatch.setenv(model_zoo.MIRROR_VARIABLE, "http://name:secret@127.0.0.1:9/")
    text = model_zoo.describe(model_zoo.find_weights("ssd_mobilenet_v1_coco"))
    assert "\n  http://127.0.0.1:9/models/object_detection/ssd_mobilenet_v1_coco_2018_01_28.tar.gz\n" in text
    with pytest.raises(UserError, match="checkpoint of TensorFlow 1, of which those of MobileNet v1 are read"):
        model_zoo.describe(model_zoo.find_weights("faster_rcnn_resnet50_coco"))
