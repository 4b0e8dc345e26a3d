from apparel.utils import yaml
from apparel.versioning import dvc_yaml

PIPELINE = yaml.parse(
    b"""
stages:
  train:
    cmd: python -m stages.train
  export:
    foreach: ${export.formats}
    do:
      cmd: python -m stages.export ${item}
      outs: ['data/${ item }': {cache: false}, 'of ${data.name}']
""",
    "dvc.yaml",
)


def test_a_foreach_has_a_stage_for_each_item_named_as_dvc_names_it():
    stages = dvc_yaml.read_stages(PIPELINE, {"export": {"formats": ("tflite", "onnx")}})
    assert list(stages) == ["train", "export@tflite", "export@onnx"]
    assert stages["train"] == {"cmd": "python -m stages.train"}
    assert stages["export@onnx"] == {
        "cmd": "python -m stages.export onnx",
        "outs": [{"data/onnx": {"cache": False}}, "of ${data.name}"],
    }


def test_a_foreach_of_nothing_has_no_stage():
    for parameters in ({"export": {"formats": []}}, {"export": {"formats": None}}, {}):
        assert list(dvc_yaml.read_stages(PIPELINE, parameters)) == ["train"]
    assert dvc_yaml.read_stages({}, {}) == {}
