"""The kept model is measured on val and, once, on test: `python -m stages.eval`."""

import shutil

from apparel import detector, errors, evaluation, exclusive, inputs, packing, params, paths, results, tracking, vega
from apparel.compat import determinism


@exclusive.stage("eval")
def main() -> None:
    config = params.load()
    index = packing.check(paths.TFRECORD)
    determinism.enable(config.train.seed)  # as in train, or its scores would differ in their last bits
    model = detector.load(paths.MODEL)
    scored, measured, thresholds = {}, {}, None
    for split in ("val", "test"):  # thresholds are chosen on val
        scored[split] = detector.detect_split(model, index, split)
        evaluation.check_photos(split, scored[split].photos, index["splits"][split]["photos"])
        measured[split] = evaluation.measure(
            scored[split], split, model.classes, config.eval.bootstrap_samples, thresholds
        )
        thresholds = measured[split].thresholds
    test, val = measured["test"], measured["val"]
    picked = evaluation.pick(test, config.eval.pictures)
    series = evaluation.evenly(test, 3 * config.eval.pictures)
    names = {name for group in picked.values() for name in group} | set(series)
    records = inputs.records(index, "test")
    images = results.encoded_photos(records, names)
    results.write_tables(test, val, results.photo_digests(records))
    shutil.rmtree(results.PICTURES, ignore_errors=True)
    groups = results.write_pictures(test, images, picked)
    results.write_page(test, val, groups, config.flat())
    vega.ensure()
    latency = scored["test"].seconds_per_photo
    with tracking.run_of_model(paths.MODEL, config) as run:
        run.metrics(evaluation.by_name(test) | evaluation.by_name(val))
        run.metrics({"test/seconds_per_photo": latency, "test/photos_per_second": 1 / latency})
        run.folder(results.PICTURES, "pictures")
        for step, name in enumerate(series):
            run.picture(results.picture(test, name, images[name]), "detections on test", step)
        for path in results.FILES:
            run.file(path, "eval")
    print(results.text(results.read_table()))
    print(f"{latency * 1000:.1f} ms a photo, {1 / latency:.0f} photos/s")
    print(results.where_next())


if __name__ == "__main__":
    errors.script(main, __doc__)
