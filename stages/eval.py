"""The kept model is measured on val and, once, on test: `python -m stages.eval`."""

from apparel import errors, params, paths
from apparel.data.index import read_index
from apparel.evaluation import breakdown, evaluate, gallery, report
from apparel.inference import split_detections
from apparel.models import detector, inputs
from apparel.models.tfod import determinism
from apparel.models.thresholds import read_thresholds
from apparel.tracking import runs
from apparel.utils import files
from apparel.versioning import stage_inputs
from apparel.versioning.stage import stage


@stage("eval")
def main() -> None:
    """The model and the TFRecords -> metrics.json, tables, pictures, index.html."""
    config = params.load()
    index = read_index(paths.TFRECORD)
    determinism.enable(config.train.seed)  # as in train, or its scores would differ in their last bits
    model = detector.load_detector(paths.MODEL)
    thresholds = read_thresholds(paths.MODEL, model.classes).by_class
    scored, measured = {}, {}
    for split in ("val", "test"):
        scored[split] = split_detections.detect_split(model, index, split)
        evaluate.check_photos(split, scored[split].photos, index.splits[split].photos)
        measured[split] = evaluate.measure_split(scored[split], split, model.classes, thresholds)
    test, val = measured["test"], measured["val"]
    losses = {split: breakdown.break_down(results) for split, results in measured.items()}
    picked = evaluate.select_photos(test, config.eval.pictures)
    series = evaluate.evenly_spaced_photos(test, 3 * config.eval.pictures)
    names = {name for group in picked.values() for name in group} | set(series)
    records = inputs.record_files(index, "test")
    images = {name: image for name, image in report.encoded_images(records) if name in names}
    report.write_tables(test, val, losses, report.image_digests(records))
    files.remove_tree(paths.EVAL_PICTURES)
    groups = report.write_pictures(test, report.read_history(), images, picked)
    photos = gallery.make_gallery(test, report.encoded_images(records), gallery.select_photos(test))
    report.write_page(test, val, losses["test"], groups, photos, config.result_values())
    latency = scored["test"].seconds_per_photo
    with runs.run_of_model(paths.MODEL, config) as run:
        stage_inputs.check_unchanged("eval")  # before MLflow gets numbers of it
        # Of test only: train logs val's learning curves under these names, and a further point would bend them.
        headline = evaluate.headline_metrics(test)
        run.log_metrics({evaluate.FIRST_METRIC: headline["test/mAP50"]} if "test/mAP50" in headline else {})
        run.log_metrics(headline)
        run.log_metrics({"test/seconds_per_photo": latency, "test/photos_per_second": 1 / latency})
        run.log_folder(paths.EVAL_PICTURES, "pictures")
        for step, name in enumerate(series):
            run.log_image(report.draw_photo(test, name, images[name]), "detections on test", step)
        for path in paths.EVAL_FILES:
            run.log_file(path, "eval")
        picture = next((picture.path.name for group in groups for picture in group.pictures), None)
        run.describe(report.markdown(test), picture and f"pictures/{picture}")
    print(report.terminal_text(report.read_per_class()))
    print(report.read_verdict())
    print(breakdown.costs_text(losses["test"]) or "no error to repair")
    print(f"{latency * 1000:.1f} ms a photo, {1 / latency:.0f} photos/s")
    print(report.next_steps())


if __name__ == "__main__":
    errors.script(main, __doc__)
