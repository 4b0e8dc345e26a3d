"""Evaluation report: result tables, pictures, the HTML page, and the per-class table for the terminal."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from apparel import images, paths
from apparel.classes import ALL
from apparel.errors import UserError, plain
from apparel.evaluation import breakdown, charts, confusion, drawing, error_types, evaluate, html, verdict
from apparel.evaluation.breakdown import Breakdown
from apparel.evaluation.evaluate import COUNTS, DECIMALS, FIGURES, SplitMetrics
from apparel.evaluation.gallery import GalleryPhoto
from apparel.params import judged_split
from apparel.utils import csv_tables, files

if TYPE_CHECKING:
    from PIL import Image

TEMPLATE = Path(__file__).with_name("report.html")
PR_CURVE, LEARNING = "pr_curve.svg", "learning.svg"
PER_CLASS_COLUMNS = ["split", "class", "threshold", *FIGURES, *COUNTS]

HISTORY_COLUMNS = ["epoch", "train/loss", "val/loss", "val/mAP50"]
"""Columns of train's history that the learning curves show."""

RUNS_SIDE_BY_SIDE = "every run side by side: `make ui`, or `mlflow ui --backend-store-uri sqlite:///mlflow.db`"
"""Line below a table: how to open MLflow."""

MAX_DESCRIPTION_LINES = 46
"""Lines of a run's description, so 40 classes: older MLflow servers take 5,000 characters."""

PICTURE_GROUPS = {
    "confused": "Most confused: garments taken for another class",
    "worst": "Worst: the lowest F1 at the thresholds",
    "best": "Best",
}
"""Headings of the groups that `evaluate.select_photos` returns, in the order of the page."""


@dataclass(frozen=True)
class Picture:
    """One photo with its boxes: the JPEG file, the photo's name, and the counts below it."""

    path: Path
    photo: str
    caption: str


@dataclass(frozen=True)
class PictureGroup:
    """Pictures under one heading of the page."""

    title: str
    pictures: list[Picture]


def write_tables(
    test: SplitMetrics,
    val: SplitMetrics,
    losses: Mapping[str, Breakdown],
    digests: Mapping[str, str],
    folder: Path = paths.EVAL,
) -> None:
    """Writes the result tables: `metrics.json`, `pr_curve.csv` and `confusion.csv` for DVC, the others for programs.

    Figures of val are in `per_class.csv` only: in `metrics.json` DVC would show each twice, since train has them, too.

    Args:
        test: metrics of the split that is judged: test, or of a fold val.
        val: metrics of the val split.
        losses: the breakdown of each split by its name.
        digests: the SHA-256 of each test photo by name: it shows whether two results are of the same photos.
        folder: gets the tables, under the names that the stage eval gives them.
    """
    summary = evaluate.summary_metrics(test) | breakdown.summary(losses[test.split])
    files.write_json(folder / paths.METRICS.name, {test.split: summary})
    splits = {results.split: results for results in (test, val)}  # one, where val is judged
    per_class = [results.per_class.reset_index().assign(split=split) for split, results in splits.items()]
    tables = {
        paths.PER_CLASS: pd.concat(per_class)[PER_CLASS_COLUMNS].round(DECIMALS),
        paths.PR_CURVE: evaluate.pr_curve_table(test),
        paths.CONFUSION: test.pairs[["actual", "predicted"]].sort_values(["actual", "predicted"]),
        paths.ERROR_TYPES: breakdown.error_table(list(losses.values())),
        paths.STRATA: breakdown.strata_table(list(losses.values())),
        paths.DETECTIONS: evaluate.detection_table(test),
        paths.GROUND_TRUTH: test.ground_truth.round(4),
        paths.TEST_PHOTOS: test.photos.assign(sha256=test.photos["filename"].map(digests)),
    }
    for path, table in tables.items():
        csv_tables.write_figures(table, folder / path.name)


def read_history() -> pd.DataFrame:
    """The history that the stage train wrote: `HISTORY_COLUMNS`, one row a validation; nan where undefined.

    Raises:
        UserError: it is missing or damaged.
    """
    table = csv_tables.read(paths.HISTORY, HISTORY_COLUMNS)[HISTORY_COLUMNS]
    numbers = table.apply(pd.to_numeric, errors="coerce")
    if table.empty or (numbers.isna() & (table != "")).any(axis=None):
        raise UserError(f"{paths.HISTORY} is damaged; run `dvc repro --force train`")
    return numbers


def read_verdict() -> str:
    """The sentence on the weakest class, from the tables that the stage eval wrote.

    Raises:
        UserError: a table is missing or damaged.
    """
    per_class = read_per_class()
    pairs = csv_tables.read(paths.CONFUSION, ["actual", "predicted"])
    return verdict.weakest_class(judged_rows(per_class).set_index("class"), pairs)


def read_per_class(path: Path = paths.PER_CLASS) -> pd.DataFrame:
    """The per-class table that the stage eval wrote: `PER_CLASS_COLUMNS`, nan where a figure is undefined.

    Raises:
        UserError: it is missing or damaged.
    """
    if not path.exists():
        raise UserError(f"{path} not found: no model has been evaluated yet; run `dvc repro`")
    table = csv_tables.read(path, PER_CLASS_COLUMNS)
    names, figures = table[["split", "class"]], table.drop(columns=["split", "class"])
    numbers = figures.apply(pd.to_numeric, errors="coerce")
    if (numbers.isna() & (figures != "")).any(axis=None) or not (names["class"] == ALL).any():
        raise UserError(f"{path} is damaged; run `dvc repro --force eval`")
    return names.join(numbers)


def judged_rows(per_class: pd.DataFrame) -> pd.DataFrame:
    """The rows of a per-class table of the split that was judged: test, or of a fold val."""
    return per_class[per_class["split"] == judged_split(set(per_class["split"]))]


def terminal_text(table: pd.DataFrame) -> str:
    """The rows of the judged split of what `read_per_class` returns, as a table for the terminal."""
    rows = judged_rows(table).set_index("class")
    texts = rows[FIGURES].map(html.figure)
    columns = pd.DataFrame(
        {
            "boxes": rows["boxes"].astype(int),
            "AP50": texts["AP50"],
            "95% interval": (texts["AP50_low"] + "–" + texts["AP50_high"]).replace("-–-", "-"),
            "COCO AP": texts["COCO_AP"],
            "precision": texts["precision"],
            "recall": texts["recall"],
            "mean IoU": texts["mean_IoU"],
        }
    )
    return f"{rows.loc[ALL, 'photos']:.0f} {rows.loc[ALL, 'split']} photos\n{columns.rename_axis(None).to_string()}"


def markdown(test: SplitMetrics) -> str:
    """The result as Markdown, for the description of a run: a headline, the verdict, and a row a class."""
    total = test.per_class.loc[ALL]
    interval = f"{html.figure(total['AP50_low'])}–{html.figure(total['AP50_high'])}"
    lines = [
        f"**mAP50 {html.figure(total['AP50'])}** ({interval}) on {total['photos']:.0f} {test.split} photos",
        "",
        _markdown_text(verdict.weakest_class(test.per_class, test.pairs)),
        "",
        "| class | boxes | AP50 | 95% interval | precision | recall |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in test.per_class.iterrows():
        ap50, low, high, precision, recall = (
            html.figure(row[column]) for column in ("AP50", "AP50_low", "AP50_high", "precision", "recall")
        )
        cells = (_markdown_text(plain(name)), f"{row['boxes']:.0f}", ap50, f"{low}–{high}", precision, recall)
        lines.append(f"| {' | '.join(cells)} |")
    rows = lines[:MAX_DESCRIPTION_LINES]
    return "\n".join(rows if len(rows) == len(lines) else [*rows, "", f"and {len(lines) - len(rows)} more classes"])


def _markdown_text(text: str) -> str:
    """The text as Markdown shows it: names of classes may hold Markdown and HTML."""
    return "".join(letter if letter.isalnum() or letter in " -.,:;" else f"&#{ord(letter)};" for letter in text)


def next_steps() -> str:
    """Lines below the table: how to open the page and the runs in MLflow."""
    return f"pictures and curves: open {paths.EVAL_PAGE.as_posix()}\n{RUNS_SIDE_BY_SIDE}"


def encoded_images(records: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Name and image of each photo in TFRecord files, as they hold it: JPEG or PNG, upright RGB."""
    import tensorflow as tf

    from apparel.data import examples

    for example in map(examples.parse_example, tf.data.TFRecordDataset(records)):
        yield example["filename"].numpy().decode(), example["image"].numpy()


def image_digests(records: Sequence[str]) -> dict[str, str]:
    """The SHA-256 of each image in TFRecord files, by the photo's name; of the bytes that `encoded_images` returns."""
    return {name: hashlib.sha256(image).hexdigest() for name, image in encoded_images(records)}


def write_pictures(
    test: SplitMetrics,
    history: pd.DataFrame | None,
    encoded: Mapping[str, bytes],
    selection: Mapping[str, Sequence[str]],
    folder: Path = paths.EVAL_PICTURES,
) -> list[PictureGroup]:
    """Writes the curves, the confusion matrix and the selected photos with their boxes.

    Args:
        test: metrics of the test split.
        history: what `read_history` returned; None: of an ensemble, which was not trained.
        encoded: images of the selected photos, by name, JPEG or PNG.
        selection: what `evaluate.select_photos` returned.
        folder: gets the pictures.

    Returns:
        The groups of the page, in the order of `PICTURE_GROUPS`.
    """
    classes = list(test.curves)
    operating_points = test.per_class.drop(index=ALL)
    charts.plot_precision_recall(test.curves, operating_points, folder / PR_CURVE)
    charts.plot_confusion_matrix(confusion.confusion_matrix(test.pairs, classes), folder / "confusion.svg")
    if history is not None:
        charts.plot_learning_curves(history, folder / LEARNING)
    return [
        PictureGroup(title, _write_group(test, encoded, name, selection[name], folder))
        for name, title in PICTURE_GROUPS.items()
    ]


def _write_group(
    test: SplitMetrics, encoded: Mapping[str, bytes], group: str, photos: Sequence[str], folder: Path
) -> list[Picture]:
    pictures = []
    for number, photo in enumerate(photos, start=1):
        # Not under the photo's own name, which may hold anything.
        path = folder / f"{group}-{number:02}.jpg"
        drawing.save_jpeg(draw_photo(test, photo, encoded[photo]), path)
        pictures.append(Picture(path, photo, evaluate.outcome_text(*evaluate.photo_boxes(test, photo))))
    return pictures


def draw_photo(test: SplitMetrics, photo: str, encoded: bytes) -> "Image.Image":
    """Ground truth beside detections of one photo, whose image is given as JPEG or PNG."""
    image = images.decode(encoded, Path(photo))
    return drawing.draw_side_by_side(image, *evaluate.photo_boxes(test, photo), list(test.curves))


def write_page(
    test: SplitMetrics,
    val: SplitMetrics,
    loss: Breakdown,
    groups: list[PictureGroup],
    photos: Sequence[GalleryPhoto],
    params: Mapping[str, Any],
    folder: Path = paths.EVAL,
    ensemble: Mapping[str, Any] | None = None,
) -> None:
    """Writes the page with all results; its pictures are data URIs, so it opens without a network.

    Args:
        test: metrics of the test split.
        val: metrics of the val split.
        loss: the breakdown of the test split.
        groups: what `write_pictures` returned.
        photos: what `gallery.make_gallery` returned.
        params: all of params.yaml, by dotted name.
        folder: gets the page; the pictures lie in its folder `pictures`.
        ensemble: `name`, `iou`, `ms` and `members` of an ensemble, which `ensemble_eval` has; None: of a model.
    """
    pictures = folder / paths.EVAL_PICTURES.name
    page = html.render(
        TEMPLATE,
        test=test,
        val=val,
        loss=loss,
        meanings=error_types.MEANINGS,
        all_classes=ALL,
        verdict=verdict.weakest_class(test.per_class, test.pairs),
        colours=drawing.class_colours(list(test.curves)),
        matrix=confusion.confusion_matrix(test.pairs, list(test.curves)),
        numbered={drawing.class_label(name, list(test.curves)): name for name in test.curves},
        curve=pictures / PR_CURVE,
        learning=None if ensemble else pictures / LEARNING,
        groups=groups,
        photos=photos,
        tested=len(test.photos),
        params=params,
        ensemble=ensemble,
    )
    files.write_text(folder / paths.EVAL_PAGE.name, page)
