"""Recipe for an imported data set: values for a first training, by the number, size and labels of its photos."""

import hashlib
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from apparel import params, paths
from apparel.analysis import recipe_weights, recipes, run_plan
from apparel.analysis.recipe_weights import RecipeWeights
from apparel.annotations.convert import convert_data_set
from apparel.data.ingest.photo_lists import pinning_params
from apparel.errors import UserError, some_of
from apparel.utils import files

LEAST_STEPS, MOST_STEPS = 1200, 4000
"""Of a training: `one`, `two` and `six` take 720 to 1,750 and still gain at the end; more take hours on 2 cores."""

MOST_EPOCHS, USUAL_EPOCHS = 300, 40
"""`six` does no better with more than 30 to 40 epochs; few photos need more for the same number of steps."""

FEW_TRAINING_PHOTOS = 64
"""Below it, a batch of 8 gives twice the steps for the same number of epochs."""

FEW_VAL_PHOTOS = 50
"""Too few to choose an epoch by: at 26 photos a 95% interval of mAP50 spans some 0.2."""

RARE = 10
"""Boxes; below it test has two of them or so, and the average precision of the class says little."""

SMALL_SIDE = 24
"""Pixels of the shorter side of half of the boxes, at 300 pixels, below which 512 shows more of them: the smallest
anchors of the pipeline file are 60 pixels at 300, 102 at 512."""

PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
YAML_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"}


@dataclass(frozen=True)
class Written:
    """What became of a recipe: its name, and a line for the terminal."""

    name: str
    note: str


def write_recipe(data_set: str) -> Written:
    """Writes configs/experiments/NAME.yaml for an imported data set, unless a person edited the one that is there.

    Raises:
        UserError: nothing in the data set can be read.
    """
    name = data_set
    if recipes.path(name).exists() and not _is_of(recipes.path(name), data_set):
        name = f"{data_set}-photos"  # a recipe of that name is for another data set
    path, text = recipes.path(name), recipe_text(data_set, name)
    if path.exists() and not _is_unedited(path):
        return Written(
            name, f"{path.as_posix()} was edited and stays as it is; classes found now: {_classes(data_set)}"
        )
    files.write_text(path, text)
    return Written(name, f"{path.as_posix()} has values for a first training")


def after_import(data_set: str) -> str:
    """Writes the recipe; returns what the terminal says after an import: what became of it, and the next commands."""
    commands = [f"apparel inspect {data_set}"]
    try:
        written = write_recipe(data_set)
    except UserError as error:
        note = f"no recipe for a training was written: {error}"
        commands.append(f"git add {paths.DATA}")
    else:
        recipe, file = recipes.load(written.name), recipes.path(written.name).as_posix()
        note = "\n".join([written.note, *recipe_weights.choose().left_out])
        commands += recipe.imports.values()
        commands.append(f"git add {paths.DATA} {file} && git commit -m 'Add the photos of {data_set}'")
        commands.append(f"apparel run {written.name}")
    if pinned := pinning_params(paths.lists(data_set)):
        values = ", ".join(f"{key}={value}" for key, value in pinned.items())
        note += f"\nlists that came with the photos can pin the split: {values}"
    folder = (paths.DATA / data_set).as_posix()
    return "\n  ".join([f"imported into {folder} and tracked by DVC\n{note}; next:", *commands])


def recipe_text(data_set: str, name: str) -> str:
    """The recipe as YAML, with a reason for each value, and its own check sum in the first line."""
    converted = convert_data_set(paths.photos(data_set), paths.annotations(data_set), None)
    labels, photos = converted.labels, converted.photos
    counts = {label: count for label, count in labels["class"].value_counts().items() if _is_class_name(label)}
    if not counts:
        raise UserError(f"the annotations of {data_set} hold no box, so there is no recipe for it")
    weights = recipe_weights.choose()
    resolution = _resolution(labels, weights)
    head = _head(data_set, name, len(photos), counts, resolution[0], weights)
    body = "\n".join([*head, *_params(data_set, labels, len(photos), counts, resolution, weights), ""])
    return f"{_signature(body)}\n{body}"


def _head(
    data_set: str, name: str, photos: int, counts: dict[str, int], resolution: int, weights: RecipeWeights
) -> list[str]:
    seconds = _train_values(photos)["epochs"] * _training_photos(photos) * run_plan.SECONDS_PER_PHOTO
    seconds *= (resolution / 300) ** 2
    classes = "1 class" if len(counts) == 1 else f"{len(counts)} classes"
    return [
        f"# Run it with `apparel run {name}`: the values under `params` go on top of params.yaml. They are those that",
        "# suited the apparel photos (configs/experiments/six.yaml), fitted to the number and size of these. Edit them",
        "# freely: a later import leaves an edited recipe alone.",
        "",
        f"about: {classes} on the {photos:,} labelled photos of {data_set}",
        f"takes: about {run_plan.duration_text(seconds)} for the training on 2 cores, by its number of photos",
        "expect: not measured yet; README.md has what the apparel photos came to",
        *(["imports:", f"  data/pretrained/{weights.name}: {recipe_weights.IMPORT_COCO}"] * weights.is_missing),
        "",
    ]


def _params(
    data_set: str,
    labels: pd.DataFrame,
    photos: int,
    counts: dict[str, int],
    resolution: tuple[int, str],
    weights: RecipeWeights,
) -> list[str]:
    train, needed = _train_values(photos), weights.params
    few_val = round(photos * 0.8 * 0.15) < FEW_VAL_PHOTOS
    is_uneven = max(counts.values()) >= 2 * min(counts.values())
    without = 1 - labels["filename"].nunique() / photos
    pinned = pinning_params(paths.lists(data_set))
    validations = "once, at the end: so few val photos cannot choose an epoch" if few_val else "five; the best is kept"
    return [
        "params:",
        "  data:",
        f"    name: {_quoted(data_set)}",
        "    # all labels that occur, with their boxes; ids 1, 2, ... in this order. Take out what is not to be found",
        "    classes:",
        *[f"      - {_quoted(label)}  # {_count_text(counts[label])}" for label in sorted(counts)],
        "  split:",
        f"    # {'by the lists that came with the photos' if pinned else 'drawn by the seed'}",
        *[f"    {key}: {_quoted(pinned.get(f'split.{key}'))}" for key in ("test_list", "train_list", "val_list")],
        "    test_fraction: 0.2",
        "    val_fraction: 0.15",
        "  train:",
        *(f"    # {reason}" for reason in weights.left_out),
        f"    checkpoint: {weights.name}  # {weights.about}: random weights need many times the photos",
        f"    checkpoint_type: {needed['checkpoint_type']}",
        f"    detector: {needed['detector']}  # {'with that backbone' if weights.is_backbone else 'of those weights'}",
        f"    depth_multiplier: {needed['depth_multiplier']}  # width of its layers; others do not fit",
        f"    resolution: {resolution[0]}  # {resolution[1]}",
        f"    batch_size: {train['batch_size']}  # 16 was best for the apparel photos; 8 where there are few photos",
        f"    epochs: {train['epochs']}  # {train['steps']:,} steps; `six` took 1,750",
        "    steps: null",
        "    optimizer: adam",
        "    learning_rate: 0.001  # 0.0009 to 0.0029 did equally well in a search (docs/sweeps.md)",
        "    schedule: cosine",
        "    # flips, crops and colors, since light and distance differ between real photos",
        "    augmentation: [random_horizontal_flip, ssd_random_crop, random_distort_color]",
        "    mosaic: 0.5  # val mAP50 of `six` 0.62 in place of 0.56",
        f"    class_balance: {'sampling' if is_uneven else 'none'}  # the most frequent class has "
        f"{max(counts.values()) / min(counts.values()):.1f} times the boxes of the rarest",
        f"    min_negatives_per_photo: {3 if without > 0.1 else 0}  # {without:.0%} of the photos have no box"
        f"{', and teach only with a value above 0' if without > 0.1 else ''}",
        "    freeze: early  # the first layers keep the checkpoint's weights: faster, and no worse in `six`",
        "    moving_average: 0.998  # as in `six`",
        f"    validate_every: {train['epochs'] if few_val else math.ceil(train['epochs'] / 5)}  # {validations}",
        "    patience: 0",
    ]


def _train_values(photos: int) -> dict[str, int]:
    """Batch size, epochs and steps for a number of photos, test and val included."""
    training = _training_photos(photos)
    batch = 8 if training < FEW_TRAINING_PHOTOS else 16
    epochs = min(max(USUAL_EPOCHS, math.ceil(LEAST_STEPS * batch / training)), MOST_EPOCHS)
    epochs = max(1, min(epochs, math.floor(MOST_STEPS * batch / training)))
    return {"batch_size": batch, "epochs": epochs, "steps": round(epochs * training / batch)}


def _training_photos(photos: int) -> int:
    return max(1, round(photos * 0.8 * 0.85))


def _resolution(labels: pd.DataFrame, weights: RecipeWeights) -> tuple[int, str]:
    """Pixels of the network's input, and why."""
    of_weights = weights.params["resolution"]
    sides = pd.concat(
        [(labels["xmax"] - labels["xmin"]) / labels["width"], (labels["ymax"] - labels["ymin"]) / labels["height"]],
        axis=1,
    )
    pixels = sides.min(axis=1).median() * of_weights
    if pixels < SMALL_SIDE and of_weights < 512:
        return (
            512,
            f"half of the boxes are narrower than {pixels:.0f} pixels at {of_weights}; three times slower than that",
        )
    reason = "as the pipeline file has it" if weights.is_backbone else "as that detector was trained"
    return of_weights, f"{reason}; 512 was three times slower and behind (docs/sweeps.md)"


def _count_text(count: int) -> str:
    boxes = "1 box" if count == 1 else f"{count:,} boxes"
    return f"{boxes}: rare, so its figures will say little" if count < RARE else boxes


def _quoted(name: str | None) -> str:
    """A name in YAML: in quotes unless every reader takes it as text without; `null` for None."""
    is_plain = name and PLAIN_NAME.fullmatch(name) and name.lower() not in YAML_WORDS
    return name if is_plain else json.dumps(name, ensure_ascii=False)


def _is_class_name(label: str) -> bool:
    try:
        params.parse({"name": "any", "unlabelled": "none", "classes": [label]}, model=params.Data)
    except UserError:
        return False
    return True


def _classes(data_set: str) -> str:
    converted = convert_data_set(paths.photos(data_set), paths.annotations(data_set), None)
    return some_of(sorted(converted.labels["class"].unique()), 20)


def _is_of(path: Path, data_set: str) -> bool:
    """Whether a recipe is for this data set; one that cannot be read counts as a person's edit of its recipe."""
    try:
        return recipes.load(path.stem).params.get("data", {}).get("name") == data_set
    except UserError:
        return True


def _is_unedited(path: Path) -> bool:
    first, _, body = path.read_text(encoding="utf-8").partition("\n")
    return first == _signature(body)


def _signature(body: str) -> str:
    md5 = hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()
    return f"# Written by `apparel import`; MD5 of what follows: {md5}"
