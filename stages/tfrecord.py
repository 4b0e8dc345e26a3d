"""Photos and boxes become TFRecord shards: `python -m stages.tfrecord`."""

from apparel import boxes, errors, params, paths
from apparel.data import index, shards, unlabelled
from apparel.data.example_writer import Photo
from apparel.utils import csv_tables
from apparel.versioning import integrity
from apparel.versioning.stage import stage

SPLITS = ("train", "val", "test")


@stage("tfrecord")
def main() -> None:
    """Photos, labels and splits -> TFRecord shards, label_map.pbtxt, index.json."""
    config = params.load()
    integrity.check_checksums(paths.CONVERT, "convert")
    integrity.check_checksums(paths.SPLIT, "split")
    folder, classes = paths.photos(config.data.name), config.data.classes
    listed = paths.SPLIT / "photos.csv"
    integrity.check_tracked(folder)
    photos = csv_tables.read(listed, [*boxes.PHOTO_COLUMNS, "split"])
    difficult = boxes.read_labels(paths.DIFFICULT)
    splits = {}
    for split in SPLITS:
        of_split = boxes.validate_photos(photos.loc[photos["split"] == split, boxes.PHOTO_COLUMNS], str(listed), "line")
        labels = boxes.read_labels(paths.SPLIT / f"{split}.csv")
        splits[split] = shards.gather(folder, of_split, labels, difficult, classes)
    splits["train"] = shards.shuffled(splits["train"], config.split.seed)
    if config.data.unlabelled != unlabelled.NONE:
        splits[index.UNLABELLED] = _unlabelled(config)
    print(index.summary(shards.write_shards(splits, classes, config.tfrecord.photos_per_shard, paths.TFRECORD)))


def _unlabelled(config: params.Params) -> list[Photo]:
    """The unlabelled photos that the stage split left in, in random order, with the boxes beside them."""
    folder = paths.UNLABELLED / config.data.unlabelled
    integrity.check_tracked(folder)
    photos = unlabelled.gather(folder, unlabelled.read_table(paths.UNLABELLED_TABLE), config.data.classes)
    print(unlabelled.describe_labels(photos))
    return shards.shuffled(photos, config.split.seed)


if __name__ == "__main__":
    errors.script(main, __doc__)
