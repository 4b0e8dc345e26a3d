"""Results for people: the table in the terminal and the page with everything on it."""

import base64
import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from apparel import images as photos
from apparel import paths
from apparel.classes import ALL
from apparel.errors import UserError
from apparel.evaluation import charts, confusion, drawing, evaluate
from apparel.evaluation.evaluate import COUNTS, DECIMALS, FIGURES, Measured
from apparel.utils import csv_tables, files

if TYPE_CHECKING:
    import tensorflow as tf
    from PIL import Image

TEMPLATES = Path(__file__).parent
PICTURES = paths.EVAL / "pictures"
PAGE = paths.EVAL / "index.html"
PER_CLASS = paths.EVAL / "per_class.csv"
CURVE = paths.EVAL / "pr_curve.csv"
CONFUSION = paths.EVAL / "confusion.csv"
DETECTIONS = paths.EVAL / "detections.csv"
GROUND_TRUTH = paths.EVAL / "ground_truth.csv"
PHOTOS = paths.EVAL / "photos.csv"
FILES = (paths.METRICS, PER_CLASS, CURVE, CONFUSION, DETECTIONS, GROUND_TRUTH, PHOTOS, PAGE)
PER_CLASS_COLUMNS = ["split", "class", "threshold", *FIGURES, *COUNTS]

GROUPS = {
    "confused": "Most confused: garments taken for another class",
    "worst": "Worst: the least right for what is there",
    "best": "Best",
}


def write_tables(test: Measured, val: Measured, digests: Mapping[str, str]) -> None:
    """Writes what DVC shows (`metrics.json`, `pr_curve.csv`, `confusion.csv`) and what people and programs read on.

    `digests` are those of the test photos, by name: they tell whether two results are of the same photos. What was
    measured on val is not in `metrics.json`: DVC would show each figure twice, beside what train wrote.
    """
    files.write_json(paths.METRICS, {test.split: evaluate.headline(test)})
    per_class = [each.per_class.reset_index().assign(split=each.split) for each in (test, val)]
    _write(pd.concat(per_class)[PER_CLASS_COLUMNS].round(DECIMALS), PER_CLASS)
    _write(evaluate.curve_table(test), CURVE)
    _write(test.pairs[["actual", "predicted"]].sort_values(["actual", "predicted"]), CONFUSION)
    _write(evaluate.detection_table(test), DETECTIONS)
    _write(test.ground_truth.round(4), GROUND_TRUTH)
    _write(test.photos.assign(sha256=test.photos["filename"].map(digests)), PHOTOS)


def _write(table: pd.DataFrame, path: Path) -> None:
    csv_tables.write(table.astype(object).where(table.notna(), ""), path)


def read_table() -> pd.DataFrame:
    """The per-class table that eval wrote, nan where a figure is undefined.

    Raises:
        UserError: there is none yet, or it is damaged.
    """
    if not PER_CLASS.exists():
        raise UserError(f"{PER_CLASS} not found: nothing is measured yet; run `dvc repro`")
    table = csv_tables.read(PER_CLASS, PER_CLASS_COLUMNS)
    names, figures = table[["split", "class"]], table.drop(columns=["split", "class"])
    numbers = figures.apply(pd.to_numeric, errors="coerce")
    if (numbers.isna() & (figures != "")).any(axis=None) or not (names == ["test", ALL]).all(axis=1).any():
        raise UserError(f"{PER_CLASS} is damaged; run `dvc repro --force eval`")
    return names.join(numbers)


def text(table: pd.DataFrame) -> str:
    """The per-class table of the test split for a terminal, from what `read_table` returned."""
    rows = table[table["split"] == "test"].set_index("class")
    short = rows[FIGURES].map(_short)
    shown = pd.DataFrame(
        {
            "boxes": rows["boxes"].astype(int),
            "AP50": short["AP50"],
            "95% interval": (short["AP50_low"] + "–" + short["AP50_high"]).replace("-–-", "-"),
            "COCO AP": short["COCO_AP"],
            "precision": short["precision"],
            "recall": short["recall"],
            "mean IoU": short["mean_IoU"],
        }
    )
    return f"{rows.loc[ALL, 'photos']:.0f} test photos\n{shown.rename_axis(None).to_string()}"


def _short(value: float) -> str:
    return "-" if pd.isna(value) else f"{value:.3f}"


def where_next() -> str:
    """What to open after the table."""
    return (
        f"pictures and curves: open {PAGE.as_posix()}\n"
        "every run side by side: `make ui`, or `mlflow ui --backend-store-uri sqlite:///mlflow.db`"
    )


def encoded_photos(records: Sequence[str], names: Collection[str]) -> dict[str, bytes]:
    """The photos of these names, as they lie in TFRecord files: JPEG or PNG, upright RGB."""
    return {name: image.numpy() for name, image in _photos(records) if name in names}


def photo_digests(records: Sequence[str]) -> dict[str, str]:
    """The SHA-256 of each photo by its name, taken from what `encoded_photos` gives."""
    return {name: hashlib.sha256(image.numpy()).hexdigest() for name, image in _photos(records)}


def _photos(records: Sequence[str]) -> Iterator[tuple[str, "tf.Tensor"]]:
    import tensorflow as tf

    from apparel.data import example_writer

    for example in map(example_writer.parse_example, tf.data.TFRecordDataset(records)):
        yield example["filename"].numpy().decode(), example["image"]


def write_pictures(test: Measured, images: Mapping[str, bytes], picked: Mapping[str, Sequence[str]]) -> list[dict]:
    """Writes the curves, the confusion matrix and the picked photos with their boxes.

    Args:
        test: the measured split.
        images: the encoded photos, by name.
        picked: what `evaluation.pick` returned.

    Returns:
        The groups of pictures for the page, in order: `title` and `pictures`, each with `path`, `photo` and `caption`.
    """
    classes = list(test.curves)
    charts.precision_recall(test.curves, test.per_class.drop(index=ALL), PICTURES / "pr_curve.svg")
    charts.confusion(confusion.matrix(test.pairs, classes), PICTURES / "confusion.svg")
    groups = []
    for group, title in GROUPS.items():
        pictures = []
        for place, name in enumerate(picked[group], start=1):
            # Not under the photo's own name, which may be anything.
            path = PICTURES / f"{group}-{place:02}.jpg"
            truth, found = evaluate.shown(test, name)
            drawing.save(picture(test, name, images[name]), path)
            pictures.append({"path": path, "photo": name, "caption": _caption(truth, found)})
        groups.append({"title": title, "pictures": pictures})
    return groups


def picture(test: Measured, name: str, image: bytes) -> "Image.Image":
    """Ground truth beside detections of one photo, given encoded."""
    return drawing.side_by_side(photos.decode(image, Path(name)), *evaluate.shown(test, name), list(test.curves))


def _caption(truth: pd.DataFrame, found: pd.DataFrame) -> str:
    missed, wrong = int((~truth["matched"]).sum()), int((~found["matched"]).sum())
    return f"{len(found) - wrong} right, {wrong} wrong, {missed} missed"


def write_page(test: Measured, val: Measured, groups: list[dict], params: Mapping[str, Any]) -> None:
    """Writes one page with all of it, pictures within, that opens without a network."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = _short
    environment.filters["embedded"] = _embedded
    page = environment.get_template("report.html").render(
        test=test,
        val=val,
        all_classes=ALL,
        colours=drawing.colours(list(test.curves)),
        plots=[PICTURES / "pr_curve.svg", PICTURES / "confusion.svg"],
        groups=groups,
        params=params,
    )
    files.write_text(PAGE, page)


def _embedded(path: Path) -> str:
    kind = {".svg": "image/svg+xml", ".jpg": "image/jpeg"}[path.suffix]
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
