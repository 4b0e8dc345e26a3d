"""Photos are dealt out to train, val and test: `python -m stages.split`."""

from apparel import boxes, errors, params, paths
from apparel.data import duplicates
from apparel.data import split as splits
from apparel.utils import csv_tables, locking
from apparel.versioning import integrity


@locking.stage("split")
def main() -> None:
    config = params.load()
    integrity.check(paths.CONVERT, "convert")
    labels, photos = boxes.read(paths.LABELS), boxes.read_photos(paths.PHOTOS_TABLE)
    names, classes = photos["filename"].tolist(), config.data.classes
    pinned = splits.pins(config.split, paths.lists(config.data.name), names)
    pairs = duplicates.pairs(paths.photos(config.data.name), names)
    groups = duplicates.group(names, pairs) if config.split.keep_duplicates_together else None
    assigned = splits.assign(names, labels, classes, config.split, pinned, groups)
    for split in splits.SPLITS:
        boxes.write(labels[labels["filename"].map(assigned) == split], paths.SPLIT / f"{split}.csv")
    used = photos[photos["filename"].isin(assigned.keys())]
    csv_tables.write(used.assign(split=used["filename"].map(assigned)), paths.SPLIT / "photos.csv")
    summary = splits.summary(labels, assigned, classes)
    csv_tables.write(summary, paths.SPLIT / "summary.csv")
    integrity.write(paths.SPLIT)
    sizes = used["filename"].map(assigned).value_counts()
    print(", ".join(f"{split} {sizes[split]}" for split in splits.SPLITS), "photos; boxes per class:")
    print(summary.to_string(index=False))
    for line in splits.notes(summary, assigned, pinned, pairs, len(photos)):
        print(line)


if __name__ == "__main__":
    errors.script(main, __doc__)
