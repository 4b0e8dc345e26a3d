"""Model card: what a model was trained on, how well it detects what, where it fails, and what it is for.

After Mitchell et al., "Model Cards for Model Reporting" (FAT* 2019). One list of sections, written as a page with its
pictures inside and as Markdown with pictures beside it.
"""

import io
import re
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pandas as pd

from apparel import images
from apparel.analysis import card_sources
from apparel.analysis.card_sources import UNKNOWN
from apparel.analysis.result_sets import ResultSet
from apparel.classes import ALL
from apparel.errors import UserError, plain
from apparel.evaluation import drawing, evaluate, html, strata, verdict
from apparel.evaluation.evaluate import SplitMetrics
from apparel.tracking.reader import StoredRun
from apparel.utils import files

TEMPLATE = Path(__file__).with_name("model_card.html")

PICTURES = 4
"""Photos of each kind on the card: the most confused and the worst."""

FEW_BOXES = 30
"""Boxes of a class below which the card says that its figures are rough: an interval is then wider than ±0.15."""

LONGEST_DESCRIPTION = 5000
"""Characters: MLflow's limit for the description of a version."""


@dataclass(frozen=True)
class Table:
    """A table of texts; the first column names the row."""

    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]


@dataclass(frozen=True)
class Picture:
    """A photo with its boxes as JPEG; the caption is its alternative text, too."""

    file: str
    jpeg: bytes
    caption: str

    @property
    def data_uri(self) -> str:
        """The picture as a data URI."""
        return html.jpeg_data_uri(self.jpeg)


@dataclass(frozen=True)
class Section:
    """A heading with paragraphs, tables and pictures below it."""

    title: str
    blocks: list[str | Table | Picture]

    @property
    def has_pictures(self) -> bool:
        """Whether one of the blocks is a picture."""
        return any(isinstance(block, Picture) for block in self.blocks)


@dataclass(frozen=True)
class Card:
    """A model card."""

    title: str
    sections: list[Section]


def collect(
    results: ResultSet, run: StoredRun, revision: str | None, title: str, promotion: dict[str, str] | None = None
) -> Card:
    """Collects the card of a model.

    Args:
        results: on the test split.
        run: MLflow's run that trained the model.
        revision: the commit or experiment that has the model, None if none has.
        title: such as `garments version 3`.
        promotion: tags of the version that say why it was promoted or not.
    """
    tables = SimpleNamespace(photos=results.photos, ground_truth=results.ground_truth, detections=results.detections)
    test = evaluate.measure_split(tables, "test", list(results.thresholds), results.thresholds)
    sources = card_sources.find(results, run, revision)
    sections = [
        Section("In short", [_headline(test), _promotion(promotion or {})]),
        Section("What it is for, and what not", _use(results, test, sources)),
        Section("What it was trained on", _data(results, sources)),
        Section("Figures on the test photos", [_figures(test), card_sources.MEANING]),
        Section("By size of the garment", [_strata(strata.by_size, results), card_sources.SIZES]),
        Section("By number of garments on the photo", [_strata(strata.by_garments, results)]),
        Section("Where it fails", [verdict.weakest_class(test.per_class, test.pairs), *_pictures(results, test)]),
        Section("Speed", [_latency(run)]),
        Section("Licences", [Table(("What", "From", "Licence"), sources.licences)]),
        Section("Where it comes from", _lineage(sources)),
    ]
    return Card(title, [Section(each.title, [block for block in each.blocks if block]) for each in sections])


def _headline(test: SplitMetrics) -> str:
    total = test.per_class.loc[ALL]
    return (
        f"mAP50 {html.figure(total['AP50'])} (95% interval {html.figure(total['AP50_low'])} to "
        f"{html.figure(total['AP50_high'])}) on {total['photos']:.0f} test photos with {total['boxes']:.0f} garments "
        f"of the classes {', '.join(map(plain, test.curves))}."
    )


def _promotion(tags: dict[str, str]) -> str:
    """Why the model was promoted or not, as sentences."""
    result = tags.get("promote.result")
    if not result:
        return ""
    texts = [f"Promotion: {result}", f"compared with {tags['promote.over']}" if tags.get("promote.over") else ""]
    texts += [tags.get("promote.figures", "")]
    texts += [f"missing: {tags['promote.missing']}" if tags.get("promote.missing") else ""]
    texts += [f"reason given: {tags['promote.reason']}" if tags.get("promote.reason") else ""]
    return "; ".join(text for text in texts if text) + "."


def _use(results: ResultSet, test: SplitMetrics, sources: card_sources.Sources) -> list[str | Table]:
    rough = test.per_class.drop(index=ALL)["boxes"]
    few = [plain(name) for name in rough.index[rough < FEW_BOXES]]
    name = results.params.get("data.name", UNKNOWN)
    return [
        f"It marks garments of the classes {', '.join(map(plain, results.thresholds))} on product photos, each with a "
        "box and a score.",
        "Its training photos were drawn by a program: it is for trying the pipeline, not for real photos."
        if name == "demo"
        else f"Its figures hold for photos like those of the data set {plain(name)}. On others, such as street scenes, "
        "other shops or other cameras, measure it first.",
        "It knows no other garments: they stay unmarked, or are taken for one of these. It must not be used to "
        "recognise or judge the people who wear them.",
        f"Fewer than {FEW_BOXES} test boxes: {', '.join(few)}; their figures are rough." if few else "",
        "The intervals are those of other test photos of the same kind; they do not cover training again with another "
        "seed.",
    ]


def _data(results: ResultSet, sources: card_sources.Sources) -> list[str | Table]:
    blocks: list[str | Table] = [Table(("Data", "DVC's hash"), sorted(results.data.items()) or [(UNKNOWN, UNKNOWN)])]
    if sources.counts is None:
        return [*blocks, "How many photos and boxes there were is unknown: no commit with this model is at hand."]
    return [sources.photos_text, Table(("Class", "Train", "Val", "Test", "All"), sources.counts), *blocks]


def _figures(test: SplitMetrics) -> Table:
    columns = ("Class", "Boxes", "AP50", "95% interval", "Threshold", "Precision", "Recall", "COCO AP")
    rows = []
    for name, row in test.per_class.iterrows():
        low, high = html.figure(row["AP50_low"]), html.figure(row["AP50_high"])
        figures = (html.figure(row[column]) for column in ("threshold", "precision", "recall", "COCO_AP"))
        interval = f"{low} to {high}" if low != html.UNDEFINED else html.UNDEFINED
        rows.append((str(name), f"{row['boxes']:.0f}", html.figure(row["AP50"]), interval, *figures))
    return Table(columns, rows)


def _strata(measure, results: ResultSet) -> Table:
    table: pd.DataFrame = measure(results.photos, results.ground_truth, results.detections, results.thresholds)
    rows = []
    for name, row in table.iterrows():
        ap50, low, high, precision, recall = (
            html.figure(row[column]) for column in ("AP50", "AP50_low", "AP50_high", "precision", "recall")
        )
        interval = f"{low} to {high}" if ap50 != html.UNDEFINED else html.UNDEFINED
        counts = (f"{row[column]:.0f}" for column in ("photos", "boxes"))
        rows.append((str(name), *counts, ap50, interval, precision, recall, f"{row['false_positives']:.0f}"))
    columns = ("Range", "Photos", "Boxes", "mAP50", "95% interval", "Precision", "Recall", "Wrong")
    return Table(columns, rows)


def _pictures(results: ResultSet, test: SplitMetrics) -> list[str | Picture]:
    """The photos with the most confused and the worst results, as far as they can be read."""
    selected = evaluate.select_photos(test, PICTURES)
    sizes = results.photos.set_index("filename")[["width", "height"]]
    pictures: list[str | Picture] = []
    for kind in ("confused", "worst"):
        for photo in selected[kind]:
            try:
                image = images.decode(results.read_photo(photo), Path(photo))
            except (OSError, UserError):
                continue
            if image.size != tuple(sizes.loc[photo]):
                continue
            truth, detections = evaluate.photo_boxes(test, photo)
            buffer = io.BytesIO()
            drawn = drawing.draw_side_by_side(image, truth, detections, list(test.curves))
            drawn.save(buffer, "JPEG", quality=html.THUMBNAIL_QUALITY)
            garments = ", ".join(map(plain, truth["class"])) or "no garment"
            taken = ", ".join(map(plain, detections["class"])) or "nothing"
            outcome = evaluate.outcome_text(truth, detections)
            caption = f"{plain(photo)}: {outcome}. Left: {garments}. Right, detected: {taken}."
            pictures.append(Picture(f"photo-{len(pictures) + 1}.jpg", buffer.getvalue(), caption))
    return pictures or ["The photos themselves are not at hand."]


def _lineage(sources: card_sources.Sources) -> list[str | Table]:
    parameters = Table(("Parameter", "Value"), sorted(sources.parameters.items()))
    return [Table(("What", "Value"), sources.lineage), parameters]


def _latency(run: StoredRun) -> str:
    seconds = run.metrics.get("test/seconds_per_photo")
    if not seconds:
        return "How long a photo takes is unknown."
    processor, cores = (run.tags.get(f"machine.{name}", UNKNOWN) for name in ("cpu", "cores"))
    return (
        f"{1000 * seconds:.1f} ms a photo in batches of 8, network and post-processing alone, without decoding; "
        f"TensorFlow on {processor}, {cores} cores, when eval ran."
    )


def write(card: Card, folder: Path) -> list[Path]:
    """Writes `index.html`, `model_card.md` and the pictures of the latter into a folder, which is replaced.

    Returns:
        The files.
    """
    with files.replace_folder(folder) as unfinished:
        files.write_text(unfinished / "index.html", html.render(TEMPLATE, card=card))
        files.write_text(unfinished / "model_card.md", markdown(card))
        for section in card.sections:
            for block in section.blocks:
                if isinstance(block, Picture):
                    (unfinished / block.file).write_bytes(block.jpeg)
    return sorted(folder.iterdir())


def markdown(card: Card) -> str:
    """The card as Markdown; its pictures lie beside it."""
    return "\n\n".join([f"# {_escaped(card.title)}", *map(_section_markdown, card.sections)]) + "\n"


def summary(card: Card) -> str:
    """The sections without pictures that MLflow's limit has room for, the first ones first."""
    text = "The whole card, with pictures, is in the run's artifacts under `card`."
    for section in card.sections:
        more = f"{text}\n\n{_section_markdown(section)}"
        if section.has_pictures or len(more) > LONGEST_DESCRIPTION:
            continue
        text = more
    return text


def _section_markdown(section: Section) -> str:
    return "\n\n".join([f"## {section.title}", *map(_block_markdown, section.blocks)])


def _block_markdown(block: str | Table | Picture) -> str:
    if isinstance(block, Picture):
        return f"![{_escaped(block.caption)}]({block.file})"
    if isinstance(block, str):
        return _escaped(block)
    rows = [block.columns, ("---",) * len(block.columns), *block.rows]
    lines = [[cell if row is rows[1] else _escaped(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escaped(text: str) -> str:
    """The text as Markdown shows it: names of classes and photos may hold Markdown and HTML."""
    return re.sub(r"[\\`*_{}\[\]<>|#!~$&\n]", lambda match: f"&#{ord(match[0])};", text)
