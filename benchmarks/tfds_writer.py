"""Photos written as TFRecords by tensorflow_datasets, which the Object Detection API's requirements bring."""

import io
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from types import MappingProxyType

import tensorflow as tf
import tensorflow_datasets as tfds

from apparel.data.example_writer import Photo

CLASS = "garment"


class Garments(tfds.core.GeneratorBasedBuilder):
    """A data set of `photos`; `checked` says whether each is decoded, so that a damaged one is found."""

    VERSION = tfds.core.Version("1.0.0")
    url_infos = MappingProxyType({})
    """Nothing is downloaded; to look for checksums, tensorflow_datasets would need a further package."""

    photos: Sequence[Photo] = ()
    checked = False

    def _info(self) -> tfds.core.DatasetInfo:
        box = {
            "bbox": tfds.features.BBoxFeature(),
            "label": tfds.features.ClassLabel(names=[CLASS]),
            "difficult": tf.bool,
        }
        features = {
            "image": tfds.features.Image(encoding_format="jpeg"),
            "image/filename": tfds.features.Text(),
            "objects": tfds.features.Sequence(box),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, manager: object) -> dict:
        return {"train": self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[str, dict]]:
        for photo in self.photos:
            if self.checked:
                tf.io.decode_jpeg(photo.path.read_bytes(), channels=3, ratio=8)
            boxes = photo.boxes / (photo.width, photo.height, photo.width, photo.height)
            objects = [
                {"bbox": tfds.features.BBox(ymin, xmin, ymax, xmax), "label": int(number) - 1, "difficult": bool(hard)}
                for (xmin, ymin, xmax, ymax), number, hard in zip(
                    boxes.tolist(), photo.class_ids, photo.difficult, strict=True
                )
            ]
            name = photo.path.name
            yield name, {"image": str(photo.path), "image/filename": name, "objects": objects}


def write(photos: Sequence[Photo], folder: Path, checked: bool) -> None:
    """Writes JPEGs, whose bytes stay as they are, with their boxes; the result is removed again.

    Args:
        photos: of one class.
        folder: where they are written.
        checked: whether each is decoded, at an eighth of its size, as the stage tfrecord does.
    """
    with tempfile.TemporaryDirectory(dir=folder) as data, redirect_stdout(io.StringIO()):
        builder = Garments(data_dir=data)
        builder.photos, builder.checked = photos, checked
        builder.download_and_prepare()
