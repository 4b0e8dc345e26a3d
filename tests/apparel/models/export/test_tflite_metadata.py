"""The metadata as a reader of flatbuffers finds them, by the field numbers of metadata_schema.fbs."""

import zipfile

import flatbuffers
import pytest
from flatbuffers import number_types
from flatbuffers.table import Table

from apparel.errors import UserError
from apparel.models.export import tflite_metadata
from apparel.models.metadata import Metadata
from apparel.models.thresholds import Thresholds

METADATA = Metadata(
    "ssd_mobilenet_v1_keras", ("Tops", "Röcke"), Thresholds({"Tops": 0.5, "Röcke": 0.25}, None, {}), 300, 320, "ab.dir"
)


def root(packed: bytes) -> Table:
    assert packed[4:8] == b"M001"
    return Table(packed, flatbuffers.encode.Get(number_types.UOffsetTFlags.packer_type, packed, 0))


def position(table: Table, field: int) -> int:
    return table.Offset(4 + 2 * field)


def below(table: Table, field: int) -> Table:
    return Table(table.Bytes, table.Indirect(table.Pos + position(table, field)))


def listed(table: Table, field: int) -> list[Table]:
    start = table.Vector(position(table, field))
    return [
        Table(table.Bytes, table.Indirect(start + 4 * number))
        for number in range(table.VectorLen(position(table, field)))
    ]


def text(table: Table, field: int) -> str:
    return table.String(table.Pos + position(table, field)).decode()


def number(table: Table, field: int, kind) -> float:
    return table.GetSlot(4 + 2 * field, 0, kind)


def test_a_reader_finds_image_outputs_labels_and_the_threshold():
    model = root(tflite_metadata.pack(METADATA))
    assert (text(model, 0), text(model, 2)) == ("ssd_mobilenet_v1_keras", "ab.dir")
    assert [text(file, 0) for file in listed(model, 6)] == ["metadata.json"]
    (graph,) = listed(model, 3)
    (image,) = listed(graph, 2)
    content = below(image, 3)
    assert number(content, 0, number_types.Uint8Flags) == 2  # ImageProperties
    image_properties = below(content, 1)
    assert number(image_properties, 0, number_types.Int8Flags) == 1  # RGB
    size = below(image_properties, 1)
    assert [number(size, field, number_types.Uint32Flags) for field in (0, 1)] == [320, 300]
    outputs = listed(graph, 3)
    assert [text(output, 0) for output in outputs] == ["location", "category", "score", "number of detections"]
    (labels,) = listed(outputs[1], 6)
    assert (text(labels, 0), number(labels, 2, number_types.Int8Flags)) == ("labels.txt", 3)
    (unit,) = listed(outputs[2], 4)
    assert number(unit, 0, number_types.Uint8Flags) == 3  # ScoreThresholdingOptions
    assert number(below(unit, 1), 0, number_types.Float32Flags) == 0.25


def test_the_files_are_read_back_from_the_end_of_the_model(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(tflite_metadata.append_files(b"a model", METADATA))
    assert path.read_bytes().startswith(b"a model")
    assert path.read_bytes() == tflite_metadata.append_files(b"a model", METADATA)
    assert tflite_metadata.read(path) == METADATA
    with zipfile.ZipFile(path) as archive:
        assert archive.read("labels.txt").decode() == "Tops\nRöcke\n"


def test_classes_and_thresholds_of_gigabytes_are_not_read(tmp_path):
    path = tmp_path / "model.tflite"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", b" " * (tflite_metadata.MAX_BYTES + 1))
    with pytest.raises(UserError, match="more than 10,000,000 bytes of classes and thresholds"):
        tflite_metadata.read(path)


@pytest.mark.parametrize("content", [b"", b"TFL3" + 100 * b"\0"])
def test_a_file_without_them_is_refused(tmp_path, content):
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with pytest.raises(UserError, match="has no classes and thresholds in it"):
        tflite_metadata.read(path)
