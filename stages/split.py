"""Assigns photos to train, val and test: `python -m stages.split`."""

from apparel import boxes, errors, params, paths
from apparel.data import unlabelled
from apparel.data.duplicates import compare_hashes, group_duplicates, hash_photos
from apparel.data.pinned_split import SPLITS, read_pinned_split
from apparel.data.split import assign_photos, count_boxes, split_notes
from apparel.utils import csv_tables
from apparel.versioning import integrity
from apparel.versioning.stage import stage


@stage("split")
def main() -> None:
    """Labels and lists -> train.csv, val.csv, test.csv, photos.csv, summary.csv; unlabelled.csv if there are such."""
    config = params.load()
    integrity.check_checksums(paths.CONVERT, "convert")
    labels, photos = boxes.read_labels(paths.LABELS), boxes.read_photos(paths.PHOTOS_TABLE)
    names, classes = photos["filename"].tolist(), config.data.classes
    pinned = read_pinned_split(config.split, paths.lists(config.data.name), names)
    hashes, _ = hash_photos(paths.photos(config.data.name), names)
    pairs = compare_hashes(hashes, names)
    groups = group_duplicates(names, pairs) if config.split.keep_duplicates_together else None
    assigned = assign_photos(names, labels, classes, config.split, pinned, groups)
    for split in SPLITS:
        boxes.write_labels(labels[labels["filename"].map(assigned) == split], paths.SPLIT / f"{split}.csv")
    used = photos[photos["filename"].isin(assigned.keys())]
    csv_tables.write(used.assign(split=used["filename"].map(assigned)), paths.SPLIT / "photos.csv")
    counts = count_boxes(labels, assigned, classes)
    csv_tables.write(counts, paths.SPLIT / "summary.csv")
    lines = split_notes(counts, assigned, pinned, pairs, len(photos))
    if config.data.unlabelled != unlabelled.NONE:
        table = unlabelled.choose_photos(paths.UNLABELLED / config.data.unlabelled, hashes, assigned)
        csv_tables.write(table, paths.UNLABELLED_TABLE)
        lines.append(f"{unlabelled.describe(table)}; by name: {paths.UNLABELLED_TABLE.as_posix()}")
    integrity.write_checksums(paths.SPLIT)
    sizes = used["filename"].map(assigned).value_counts()
    print(", ".join(f"{split} {sizes.get(split, 0)}" for split in SPLITS), "photos; boxes per class:")
    print(counts.to_string(index=False))
    print("\n".join(lines), end="\n" if lines else "")


if __name__ == "__main__":
    errors.script(main, __doc__)
