"""Import of photos, labelled or not, or of starting weights: open the source, stage its files, track them with DVC."""

from datetime import UTC, datetime
from pathlib import Path

from apparel.data.ingest import dataset, model_zoo, recovery, sources, staging, unlabelled, weights


def import_source(
    source: str,
    request: list,
    target: Path,
    record: Path,
    checkpoint: bool,
    dry_run: bool,
    without_labels: bool = False,
    photos_alone: bool = False,
) -> bool:
    """Imports a source and records where it came from.

    Args:
        source: a path or a git address, as typed, or the name of published weights.
        request: the source with its path resolved, its git revision or None, the patterns of what to import, and the
            names of YOLO's classes or None; an interrupted import is recognised by it.
        target: the folder of the data set, of the photos or of the weights.
        record: the JSON file that says where they came from.
        checkpoint: whether the source holds starting weights, not photos.
        dry_run: whether to stop before anything is moved.
        without_labels: whether photos may come without a label.
        photos_alone: whether the source's photos are imported as unlabelled ones, without their annotations.

    Returns:
        Whether it was imported, which a dry run is not.

    Raises:
        UserError: the source cannot be opened, holds nothing of the kind, or does not fit the disk.
    """
    _, revision, only, classes = request
    published, origin = None, {}
    if checkpoint and model_zoo.is_name(source):
        published = model_zoo.find_weights(source)
        print(model_zoo.describe(published))
        if dry_run:
            print("dry run: nothing was fetched or imported")
            return False
    with staging.staging_folder(target.parent, target.name) as folder:
        if published:
            origin = model_zoo.fetch_weights(published, folder / "work" / "fetched")
            source = str(folder / "work" / "fetched" / published.file)
        opened = sources.open_source(source, revision, only, folder / "work")
        if checkpoint:
            moves, counts = weights.stage_weights(opened.entries, folder, target)
        elif photos_alone:
            moves, counts = unlabelled.stage_unlabelled(opened.entries, folder, target)
        else:
            moves, counts = dataset.stage_data_set(opened.entries, folder, target, classes, without_labels)
        if dry_run:
            print("dry run: nothing was imported")
            return False
        staging.draw_demo_if_missing()  # before the import, since an interrupted one is finished by the next
        origin = (
            opened.origin | origin | {"imported": datetime.now(UTC).isoformat(timespec="seconds"), "counts": counts}
        )
        recovery.finish_import(folder, moves, record, origin, request)
    return True
