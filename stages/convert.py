"""Annotation files become one table of labels: `python -m stages.convert`."""

from apparel import boxes, converting, errors, exclusive, files, params, paths, recorded, repairs, seals


@exclusive.stage("convert")
def main() -> None:
    config = params.load()
    data = config.data.name
    converting.refuse_vanished(paths.DATA / data)
    recorded.check(paths.annotations(data))
    converted = converting.convert(
        paths.photos(data), paths.annotations(data), config.data.classes, config.convert.first_pixel
    )
    if config.convert.strict:
        repairs.refuse(converted.report, paths.REFUSED)
    boxes.write(converted.labels, paths.LABELS)
    boxes.write(converted.difficult, paths.DIFFICULT)
    boxes.write_photos(converted.photos, paths.PHOTOS_TABLE)
    files.write_json(paths.CONVERT_REPORT, converted.report)
    seals.write(paths.CONVERT)
    print(repairs.summary(converted.report))


if __name__ == "__main__":
    errors.script(main, __doc__)
