"""Photos and boxes become TFRecord shards: `python -m stages.tfrecord`."""

from apparel import boxes, errors, exclusive, packing, params, paths, recorded, seals, tables

SPLITS = ("train", "val", "test")


@exclusive.stage("tfrecord")
def main() -> None:
    config = params.load()
    seals.check(paths.CONVERT, "convert")
    seals.check(paths.SPLIT, "split")
    folder, classes = paths.photos(config.data.name), config.data.classes
    listed = paths.SPLIT / "photos.csv"
    recorded.check(folder)
    photos = tables.read(listed, [*boxes.PHOTO_COLUMNS, "split"])
    difficult = boxes.read(paths.DIFFICULT)
    splits = {}
    for split in SPLITS:
        of_split = boxes.check_photos(photos.loc[photos["split"] == split, boxes.PHOTO_COLUMNS], str(listed), "line")
        labels = boxes.read(paths.SPLIT / f"{split}.csv")
        splits[split] = packing.gather(folder, of_split, labels, difficult, classes)
    splits["train"] = packing.shuffled(splits["train"], config.split.seed)
    print(packing.summary(packing.write(splits, classes, config.tfrecord.photos_per_shard, paths.TFRECORD)))


if __name__ == "__main__":
    errors.script(main, __doc__)
