"""Annotation files become one table of labels: `python -m stages.convert`."""

from apparel import boxes, errors, params, paths
from apparel.annotations import report
from apparel.annotations.convert import check_imported_files, convert_data_set
from apparel.utils import files
from apparel.versioning import integrity
from apparel.versioning.stage import stage


@stage("convert")
def main() -> None:
    """Photos and annotations -> labels.csv, photos.csv, difficult.csv, convert.json."""
    config = params.load()
    data = config.data.name
    check_imported_files(paths.DATA / data)
    integrity.check_tracked(paths.annotations(data))
    options = config.convert.model_dump(exclude={"strict"})
    converted = convert_data_set(paths.photos(data), paths.annotations(data), config.data.classes, **options)
    if config.convert.strict:
        report.check_strict(converted.report, paths.REFUSED)
    boxes.write_labels(converted.labels, paths.LABELS)
    boxes.write_labels(converted.difficult, paths.DIFFICULT)
    boxes.write_photos(converted.photos, paths.PHOTOS_TABLE)
    files.write_json(paths.CONVERT_REPORT, converted.report)
    integrity.write_checksums(paths.CONVERT)
    print(report.summary(converted.report))


if __name__ == "__main__":
    errors.script(main, __doc__)
