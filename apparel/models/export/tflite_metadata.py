"""TensorFlow Lite's model metadata: what Android's tools read of input, outputs, labels and thresholds.

The package that writes it, tflite-support, has no build for Python 3.11 and later, so the flatbuffer is written here,
field by field as in its metadata_schema.fbs: https://github.com/tensorflow/tflite-support. Files that belong to the
model are appended to it as a zip archive, which its reader and Python's `zipfile` open.
"""

import io
import zipfile
import zlib
from pathlib import Path

import flatbuffers

from apparel.errors import UserError
from apparel.models.metadata import Metadata

MAX_BYTES = 10_000_000
"""Bytes of classes and thresholds that are read; 1,000 classes need less than 2 MB."""

NAME = "TFLITE_METADATA"
"""Name of the model's metadata entry."""

LABELS = "labels.txt"
OWN = "metadata.json"
"""Files in the archive: a class a line, and `Metadata` as JSON."""

OUTPUTS = ("location", "category", "score", "number of detections")
"""Names of the outputs in the metadata of object detectors, in the order that Android's tools expect."""

FILE_IDENTIFIER = b"M001"
DESCRIPTIONS, VALUE_LABELS = 1, 3
RGB = 1
FEATURES, IMAGE, BOUNDING_BOX = 1, 2, 3
BOUNDARIES, RATIO = 1, 0
NORMALIZATION, SCORE_THRESHOLD = 1, 3
"""Values of the schema's enums and unions."""

Field = tuple[str, object]
"""The builder's name of a type, and the value: `("Int8", 3)`, or `("UOffsetTRelative", offset)`."""


def pack(metadata: Metadata) -> bytes:
    """The flatbuffer `ModelMetadata`."""
    builder = flatbuffers.Builder()
    labels = _file(builder, LABELS, "class names, in the order of the classes", VALUE_LABELS)
    own = _file(builder, OWN, "classes, thresholds and origin of the model, as JSON", DESCRIPTIONS)
    subgraph = _table(
        builder,
        [
            None,
            None,
            _tables(builder, [_image(builder, metadata)]),
            _tables(builder, _outputs(builder, metadata, labels)),
        ],
    )
    fields = [
        _text(builder, metadata.detector),
        _text(builder, "Detects garments; boxes at or above the threshold of their class are meant to be shown."),
        _text(builder, metadata.model),
        _tables(builder, [subgraph]),
        None,
        None,
        _tables(builder, [own]),
        _text(builder, "1.0.0"),
    ]
    builder.Finish(_table(builder, fields), file_identifier=FILE_IDENTIFIER)
    return bytes(builder.Output())


def append_files(model: bytes, metadata: Metadata) -> bytes:
    """The model with the archive of its files after it, the same bytes each time."""
    stream = io.BytesIO(model)
    with zipfile.ZipFile(stream, "a") as archive:
        for name, text in ((LABELS, "\n".join(metadata.classes) + "\n"), (OWN, metadata.to_json())):
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text.encode())
    return stream.getvalue()


def read(path: Path) -> Metadata:
    """`Metadata` of a file that `append_files` completed.

    Raises:
        UserError: it is not there, or has none.
    """
    try:
        with zipfile.ZipFile(path) as archive, archive.open(OWN) as file:
            text = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise UserError(f"{path} not found; `apparel export --format tflite` writes one") from None
    except (zipfile.BadZipFile, zlib.error, KeyError, ValueError, NotImplementedError, RuntimeError, EOFError):
        raise UserError(f"{path} has no classes and thresholds in it: no export of this project") from None
    if len(text) > MAX_BYTES:
        raise UserError(f"{path} has more than {MAX_BYTES:,} bytes of classes and thresholds; write it again")
    return Metadata.from_json(text, str(path))


def _image(builder: flatbuffers.Builder, metadata: Metadata) -> int:
    size = _table(builder, [("Uint32", metadata.width), ("Uint32", metadata.height)])
    properties = _table(builder, [("Int8", RGB), _offset(size)])
    options = _table(builder, [_floats(builder, [0.0]), _floats(builder, [1.0])])
    stats = _table(builder, [_floats(builder, [255.0]), _floats(builder, [0.0])])
    return _tensor(builder, "image", IMAGE, properties, unit=(NORMALIZATION, options), stats=stats)


def _outputs(builder: flatbuffers.Builder, metadata: Metadata, labels: int) -> list[int]:
    box = _table(builder, [_numbers(builder, [1, 0, 3, 2]), ("Int8", BOUNDARIES), ("Int8", RATIO)])
    lowest = min(metadata.thresholds.by_class.values())
    threshold = _table(builder, [("Float32", lowest)])
    location, category, score, count = OUTPUTS
    return [
        _tensor(builder, location, BOUNDING_BOX, box, axis=2),
        _tensor(builder, category, FEATURES, _table(builder, []), axis=2, file=labels),
        _tensor(builder, score, FEATURES, _table(builder, []), axis=2, unit=(SCORE_THRESHOLD, threshold)),
        _tensor(builder, count, FEATURES, _table(builder, [])),
    ]


def _tensor(
    builder: flatbuffers.Builder,
    name: str,
    kind: int,
    properties: int,
    axis: int | None = None,
    unit: tuple[int, int] | None = None,
    stats: int | None = None,
    file: int | None = None,
) -> int:
    """A `TensorMetadata`: `axis` is that of the single values, `unit` kind and options of a processing step."""
    values = _table(builder, [("Int32", axis), ("Int32", axis)]) if axis else None
    content = _table(builder, [("Uint8", kind), _offset(properties), _offset(values)])
    units = _tables(builder, [_table(builder, [("Uint8", unit[0]), _offset(unit[1])])]) if unit else None
    files = _tables(builder, [file]) if file else None
    fields = [_text(builder, name), None, None, _offset(content), units, _offset(stats), files]
    return _table(builder, fields)


def _file(builder: flatbuffers.Builder, name: str, description: str, kind: int) -> int:
    return _table(builder, [_text(builder, name), _text(builder, description), ("Int8", kind)])


def _table(builder: flatbuffers.Builder, fields: list[Field | None]) -> int:
    """A table with its fields in the order of the schema; None leaves one out."""
    builder.StartObject(len(fields))
    for slot, field in enumerate(fields):
        if field is not None:
            getattr(builder, f"Prepend{field[0]}Slot")(slot, field[1], 0)
    return builder.EndObject()


def _offset(offset: int | None) -> Field | None:
    return None if offset is None else ("UOffsetTRelative", offset)


def _text(builder: flatbuffers.Builder, text: str) -> Field:
    return _offset(builder.CreateString(text))


def _tables(builder: flatbuffers.Builder, offsets: list[int]) -> Field:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return _offset(builder.EndVector())


def _floats(builder: flatbuffers.Builder, values: list[float]) -> Field:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    return _offset(builder.EndVector())


def _numbers(builder: flatbuffers.Builder, values: list[int]) -> Field:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependUint32(value)
    return _offset(builder.EndVector())
