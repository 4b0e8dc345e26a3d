"""A comparison for people: a table for the terminal, and one page with pictures that needs no other file."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from PIL import Image
from tqdm import tqdm

from apparel import images
from apparel.analysis import compare
from apparel.analysis.compare import Comparison
from apparel.classes import ALL
from apparel.errors import UserError
from apparel.evaluation import drawing, html

TEMPLATE = Path(__file__).with_name("compare_page.html")

PICTURES = 12
"""Photos on the page, those whose result changed most."""

MEANING = (
    "Intervals are 95% intervals of the difference to {first}, from a paired bootstrap over the test photos. "
    "better and worse: the interval leaves out 0, so other photos of this kind would show it, too; one such verdict "
    "in twenty is chance. Whether training again with another seed would show it, the photos cannot tell."
)
LONGEST = 60
"""Characters of a changed value in the terminal."""


@dataclass(frozen=True)
class Example:
    """One photo on the page: pictures as data URIs, each with what is said below it."""

    photo: str
    pictures: list[tuple[str, str]]


def terminal_text(compared: Comparison) -> str:
    """For the terminal: a row a class, then what differs beside the results."""
    by_side = dict(list(compared.table.groupby("side")))
    rows = by_side[0].set_index("class")
    shown = {"boxes": rows["boxes"]}
    for side, name in enumerate(compared.names):
        rows = by_side[side].set_index("class")
        shown[name] = rows["AP50"].map(html.figure)
        if side:
            shown[f"{name} − {compared.names[0]}"] = rows["difference"].map(html.signed)
            shown["95% interval" + " " * side] = rows["low"].map(html.signed) + " to " + rows["high"].map(html.signed)
            shown[" " * side] = rows["verdict"]
    table = pd.DataFrame(shown).rename_axis(None).replace("- to -", "-").to_string()
    lines = [f"AP50 on {len(compared.photos)} test photos", table, MEANING.format(first=compared.names[0])]
    return "\n".join([*lines, *compared.notes, "", changes_text(compared)])


def changes_text(compared: Comparison) -> str:
    """What differs in parameters, data and code, a column a side."""
    if not compared.changes:
        return "Parameters, data and code are the same."
    rows = [(name, *(_short(value) for value in values)) for _, name, values in compared.changes]
    table = pd.DataFrame(rows, columns=["what differs", *compared.names])
    return table.to_string(index=False, justify="left")


def _short(value: str) -> str:
    return value if len(value) <= LONGEST else f"{value[: LONGEST - 1]}…"


def render_page(compared: Comparison) -> str:
    """The page as HTML; its pictures are data URIs."""
    changed = compare.changed_photos(compared)
    table = compared.table
    widest = table.loc[table["side"] > 0, ["low", "high"]].abs().max(axis=None)
    return html.render(
        TEMPLATE,
        compared=compared,
        by_class=[(name, list(rows.itertuples())) for name, rows in table.groupby("class", sort=False)],
        all_classes=ALL,
        colours=drawing.class_colours(compared.classes),
        meaning=MEANING.format(first=compared.names[0]),
        scale=50 / widest if widest > 0 else 0,
        changed=changed,
        examples=_examples(compared, changed["filename"]),
    )


def _examples(compared: Comparison, names: pd.Series) -> list[Example]:
    """The first photos of these that are at hand."""
    examples = []
    for name in tqdm(names.head(2 * PICTURES), desc="pictures", unit="", delay=1, leave=False):
        photo = _photo(compared, name)
        if photo is not None and len(examples) < PICTURES:
            examples.append(Example(name, _pictures(compared, name, photo)))
    return examples


def _photo(compared: Comparison, name: str) -> Image.Image | None:
    """The photo from the first side that has it as it was when it was measured; None where none has."""
    width, height = compared.photos.set_index("filename").loc[name, ["width", "height"]]
    for side in compared.sides:
        try:
            photo = images.decode(side.photo(name), Path(name))
        except (OSError, UserError):
            continue
        if photo.size == (width, height):
            return photo
    return None


def _pictures(compared: Comparison, name: str, photo: Image.Image) -> list[tuple[str, str]]:
    shown = [compare.outcomes(compared, side, name) for side in range(len(compared.sides))]
    by_all = shown[0][0].assign(matched=pd.concat([truth["matched"] for truth, _ in shown], axis=1).all(axis=1))
    pictures = [(html.image_data_uri(drawing.draw_boxes(photo, by_all, compared.classes)), "Ground truth")]
    for label, (truth, found) in zip(compared.names, shown, strict=True):
        panel = drawing.draw_boxes(photo, found.sort_values("score", kind="stable"), compared.classes)
        wrong, missed = int((~found["matched"]).sum()), int((~truth["matched"]).sum())
        pictures.append(
            (html.image_data_uri(panel), f"{label}: {len(found) - wrong} right, {wrong} wrong, {missed} missed")
        )
    return pictures
