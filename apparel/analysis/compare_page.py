"""Comparison of results: the table for the terminal and the HTML page with pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from PIL import Image
from tqdm import tqdm

from apparel import images, paths
from apparel.analysis import compare
from apparel.analysis.compare import Comparison
from apparel.classes import ALL
from apparel.errors import UserError
from apparel.evaluation import drawing, error_types, evaluate, html
from apparel.tracking.server import clean_name
from apparel.utils import files

TEMPLATE = Path(__file__).with_name("compare_page.html")

PICTURES = 12
"""Number of photos on the page: those whose result changed most."""

MEANING = (
    "Intervals are 95% intervals of the difference to {first} on the same photos. "
    "better and worse: the interval does not contain 0. Where there is no difference, about one comparison in twenty "
    "gets such a verdict by chance. The intervals do not cover training again with another seed."
)
"""Explanation of the intervals and verdicts, on the page and in the terminal."""

MAX_VALUE_LENGTH = 60
"""Characters of a changed value in the terminal; the rest is cut."""


@dataclass(frozen=True)
class ExamplePhoto:
    """One photo on the page: its name, and pictures as pairs of a data URI and a caption."""

    photo: str
    pictures: list[tuple[str, str]]


def terminal_text(compared: Comparison) -> str:
    """The table for the terminal, a row a class, followed by what differs in parameters, data and code."""
    parts = [table_text(compared), *compared.notes, "", losses_text(compared), "", changes_text(compared)]
    return "\n".join(parts)


def table_text(compared: Comparison) -> str:
    """The table for the terminal, a row a class, with what its intervals and verdicts mean."""
    by_result = dict(list(compared.table.groupby("result")))
    columns = {"boxes": by_result[0].set_index("class")["boxes"]}
    for position, name in enumerate(compared.names):
        rows = by_result[position].set_index("class")
        columns[name] = rows["AP50"].map(html.figure)
        if position:
            # Trailing spaces make the headings unique, which a table needs.
            columns[f"{name} − {compared.names[0]}"] = rows["difference"].map(html.signed)
            interval = rows["low"].map(html.signed) + " to " + rows["high"].map(html.signed)
            columns["95% interval" + " " * position] = interval
            columns[" " * position] = rows["verdict"]
    table = pd.DataFrame(columns).rename_axis(None).replace("- to -", "-").to_string()
    return "\n".join([f"AP50 on {compare.photos_text(compared)}", table, MEANING.format(first=compared.names[0])])


def losses_text(compared: Comparison) -> str:
    """What each type of error costs in mAP50, and mAP50 by size and number of garments, as a table."""
    columns = {}
    for position, (name, rows) in enumerate(zip(compared.names, _losses_by_result(compared), strict=True)):
        columns[name] = rows["value"].map(html.figure)
        if position:
            columns[f"{name} − {compared.names[0]}"] = rows["difference"].map(html.signed)
            columns["95% interval" + " " * position] = (
                rows["low"].map(html.signed) + " to " + rows["high"].map(html.signed)
            )
            columns[" " * position] = rows["verdict"]
    table = pd.DataFrame(columns).rename_axis(None).replace("- to -", "-").to_string()
    return f"mAP50 gained if one type of error were repaired (less is better), then mAP50 of a part\n{table}"


def _losses_by_result(compared: Comparison) -> list[pd.DataFrame]:
    """The rows of `Comparison.losses` of each result set, by name."""
    return [rows.set_index("name") for _, rows in compared.losses.groupby("result")]


def changes_text(compared: Comparison) -> str:
    """What differs in parameters, data and code, as a table with a column for each result set."""
    if not compared.changes:
        return "Parameters, data and code are the same."
    rows = [(name, *(_cut(value) for value in values)) for _, name, values in compared.changes]
    table = pd.DataFrame(rows, columns=["what differs", *compared.names])
    return table.to_string(index=False, justify="left")


def _cut(value: str) -> str:
    return value if len(value) <= MAX_VALUE_LENGTH else f"{value[: MAX_VALUE_LENGTH - 1]}…"


def write(compared: Comparison, page: Path | None) -> Path:
    """Writes the page, to .apparel/compare unless a path is given; returns its path."""
    page = page or default_path(compared.names)
    files.write_text(page, render_page(compared))
    return page


def default_path(names: Sequence[str]) -> Path:
    """Where the page of a comparison of these lies."""
    return paths.LOCAL / "compare" / clean_name("-and-".join(names).replace("/", "_") + ".html")


def render_page(compared: Comparison) -> str:
    """The page as HTML; its pictures are data URIs."""
    changed = compare.changed_photos(compared)
    table = compared.table
    widest = table.loc[table["result"] > 0, ["low", "high"]].abs().max(axis=None)
    return html.render(
        TEMPLATE,
        compared=compared,
        by_class=[(name, list(rows.itertuples())) for name, rows in table.groupby("class", sort=False)],
        losses=[
            (names, list(rows.itertuples())) for names, rows in compared.losses.groupby(["kind", "name"], sort=False)
        ],
        photos_text=compare.photos_text(compared),
        meanings=error_types.MEANINGS,
        all_classes=ALL,
        colours=drawing.class_colours(compared.classes),
        meaning=MEANING.format(first=compared.names[0]),
        scale=50 / widest if widest > 0 else 0,
        changed=changed,
        examples=_examples(compared, changed["filename"]),
    )


def _examples(compared: Comparison, names: pd.Series) -> list[ExamplePhoto]:
    """The first `PICTURES` of these photos whose image can be read."""
    examples = []
    for name in tqdm(names.head(2 * PICTURES), desc="pictures", unit="", delay=1, leave=False):
        photo = _photo(compared, name)
        if photo is not None and len(examples) < PICTURES:
            examples.append(ExamplePhoto(name, _pictures(compared, name, photo)))
    return examples


def _photo(compared: Comparison, name: str) -> Image.Image | None:
    """The image of a photo from the first result set that has it in the size it was scored in; None where none has."""
    width, height = compared.photos.set_index("filename").loc[name, ["width", "height"]]
    for result in compared.results:
        try:
            photo = images.decode(result.read_photo(name), Path(name))
        except (OSError, UserError):
            continue
        if photo.size == (width, height):
            return photo
    return None


def _pictures(compared: Comparison, name: str, photo: Image.Image) -> list[tuple[str, str]]:
    """Data URIs with captions: ground truth, dashed where any result missed a box, then detections of each result."""
    outcomes = [compare.outcomes(compared, position, name) for position in range(len(compared.results))]
    found_by_all = pd.concat([truth["matched"] for truth, _ in outcomes], axis=1).all(axis=1)
    panel = drawing.draw_boxes(photo, outcomes[0][0].assign(matched=found_by_all), compared.classes)
    pictures = [(html.image_data_uri(panel), "Ground truth")]
    for label, (truth, detections) in zip(compared.names, outcomes, strict=True):
        panel = drawing.draw_boxes(photo, detections.sort_values("score", kind="stable"), compared.classes)
        pictures.append((html.image_data_uri(panel), f"{label}: {evaluate.outcome_text(truth, detections)}"))
    return pictures
