"""The kept model is measured on val and, once, on test; of a fold on val alone: `python -m stages.eval`."""

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
    for split in dict.fromkeys(("val", config.split.judged)):
        scored[split] = split_detections.detect_split(model, index, split, with_loss=False)
        evaluate.check_photos(split, scored[split].photos, index.splits[split].photos)
        measured[split] = evaluate.measure_split(scored[split], split, model.classes, thresholds)
    judged, val = measured[config.split.judged], measured["val"]
    losses = {split: breakdown.break_down(results) for split, results in measured.items()}
    picked = evaluate.select_photos(judged, config.eval.pictures)
    series = evaluate.evenly_spaced_photos(judged, 3 * config.eval.pictures)
    names = {name for group in picked.values() for name in group} | set(series)
    records = inputs.record_files(index, judged.split)
    images = {name: image for name, image in report.encoded_images(records) if name in names}
    report.write_tables(judged, val, losses, report.image_digests(records))
    files.remove_tree(paths.EVAL_PICTURES)
    groups = report.write_pictures(judged, report.read_history(), images, picked)
    photos = gallery.make_gallery(judged, report.encoded_images(records), gallery.select_photos(judged))
    report.write_page(judged, val, losses[judged.split], groups, photos, config.result_values())
    latency = scored[judged.split].seconds_per_photo
    with runs.run_of_model(paths.MODEL, config) as run:
        stage_inputs.check_unchanged("eval")  # before MLflow gets numbers of it
        # Not under val's names: train logs its learning curves under these, and a further point would bend them.
        prefix = "fold" if judged.split == "val" else judged.split
        figures = evaluate.headline_metrics(judged).items()
        headline = {f"{prefix}/{name.partition('/')[2]}": value for name, value in figures}
        run.log_metrics({evaluate.FIRST_METRIC: headline["test/mAP50"]} if "test/mAP50" in headline else {})
        run.log_metrics(headline)
        run.log_metrics({f"{prefix}/seconds_per_photo": latency, f"{prefix}/photos_per_second": 1 / latency})
        run.log_folder(paths.EVAL_PICTURES, "pictures")
        for step, name in enumerate(series):
            run.log_image(report.draw_photo(judged, name, images[name]), f"detections on {judged.split}", step)
        for path in paths.EVAL_FILES:
            run.log_file(path, "eval")
        picture = next((picture.path.name for group in groups for picture in group.pictures), None)
        run.describe(report.markdown(judged), picture and f"pictures/{picture}")
    print(report.terminal_text(report.read_per_class()))
    print(report.read_verdict())
    print(breakdown.costs_text(losses[judged.split]) or "no error to repair")
    print(f"{latency * 1000:.1f} ms a photo, {1 / latency:.0f} photos/s")
    print(report.next_steps())


if __name__ == "__main__":
    errors.script(main, __doc__)
