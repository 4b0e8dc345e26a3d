"""An import writes a recipe that fits its photos, and leaves one alone that a person edited."""

import shutil

import pandas as pd
import pytest

from apparel import boxes, params, paths
from apparel.analysis import recipe_weights, recipe_writer, recipes
from apparel.annotations.convert import Converted
from tests.support.repository import ROOT

SHIPPED = (
    "configs/experiments/six.yaml",
    "configs/ssd_mobilenet_v1.config",
    "configs/ssd_efficientnet_lite0.config",
    "params.yaml",
)


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """Sets what the annotations of data set `shop` hold: boxes by label, photos, and a box's side as a share of its
    photo's."""
    monkeypatch.chdir(tmp_path)
    for name in SHIPPED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, name)
    (paths.PRETRAINED / "none").mkdir(parents=True)
    paths.lists("shop").mkdir(parents=True)

    def hold(labels: dict[str, int], photos: int, side: float = 0.5) -> None:
        names = [f"{number}.jpg" for number in range(photos)]
        rows = [
            (names[number % photos], 600, 600, label, 0.0, 0.0, 600 * side, 600 * side)
            for label, count in labels.items()
            for number in range(count)
        ]
        sizes = pd.DataFrame([(name, 600, 600) for name in names], columns=boxes.PHOTO_COLUMNS)
        converted = Converted(pd.DataFrame(rows, columns=boxes.LABEL_COLUMNS), pd.DataFrame(), sizes, {})
        monkeypatch.setattr(recipe_writer, "convert_data_set", lambda *arguments: converted)

    return hold


def written(data_set: str = "shop") -> params.Params:
    """params.yaml as the recipe makes it; it is valid, and DVC's own grammar takes all of its values."""
    recipe = recipes.load(recipe_writer.write_recipe(data_set).name)
    words = recipes.dvc_command("name", recipe.params)
    assert recipes.parse_overrides(words[words.index("-S") + 1 :: 2]) == recipe.params
    return recipes.apply_values(params.load().model_dump(mode="json"), recipe.params, "recipe")


def test_classes_are_all_labels_as_they_are_in_quotes_where_yaml_needs_them(shop):
    names = ["1", "Café", "Pants & Leggings", "Women's", "null", "no", "2024-01-01", "Hut: groß", "#1", "Tops"]
    shop(dict.fromkeys(names, 20), photos=100)
    assert written().data.classes == tuple(sorted(names))


def test_rare_classes_are_noted(shop):
    shop({"Tops": 1200, "Hats": 3, "Belts": 1}, photos=1000)
    written()
    text = recipes.path("shop").read_text(encoding="utf-8")
    for line in ("- Tops  # 1,200 boxes\n", "- Hats  # 3 boxes: rare", "- Belts  # 1 box: rare"):
        assert line in text


@pytest.mark.parametrize(
    ("photos", "batch", "epochs", "validate_every"),
    [
        (26, 8, 300, 300),  # 18 to train on
        (1028, 16, 40, 8),  # as many as `six` trains on, and as many epochs
        (300, 16, 95, 95),
        (10_000, 16, 9, 2),
    ],
)
def test_epochs_follow_from_the_number_of_photos(shop, photos, batch, epochs, validate_every):
    shop({"Tops": photos}, photos)
    train = written().train
    assert (train.batch_size, train.epochs, train.validate_every) == (batch, epochs, validate_every)


def test_resolution_is_that_of_the_weights_unless_boxes_are_small(shop):
    shop({"Tops": 100}, photos=100, side=0.5)
    assert written().train.resolution == 300
    shop({"Tops": 100}, photos=100, side=0.06)  # 18 pixels at 300
    assert written().train.resolution == 512


def test_balance_and_negatives_follow_from_the_labels(shop):
    shop({"Tops": 100, "Hats": 90}, photos=100)
    assert (written().train.class_balance, written().train.min_negatives_per_photo) == ("none", 0)
    shop({"Tops": 60, "Hats": 20}, photos=100)  # 40 photos without a box
    assert (written().train.class_balance, written().train.min_negatives_per_photo) == ("sampling", 3)


def test_weights_that_are_imported_are_used_and_those_that_are_not_come_with_their_import(shop):
    shop({"Tops": 100}, photos=100)
    assert written().train.checkpoint == "coco"
    assert recipes.load("shop").imports == {"data/pretrained/coco": recipe_weights.IMPORT_COCO}
    folder = paths.PRETRAINED / "fashion"
    folder.mkdir()
    (folder / "pipeline.config").write_text(
        "model { ssd { image_resizer { fixed_shape_resizer { height: 320 width: 320 } } "
        'feature_extractor { type: "ssd_mobilenet_v1_keras" depth_multiplier: 0.5 } } }'
    )
    train = written().train
    assert (train.checkpoint, train.depth_multiplier, train.resolution) == ("fashion", 0.5, 320)
    assert recipes.load("shop").imports == {}


def test_the_detector_is_that_of_the_weights_and_weights_without_one_are_named(shop):
    shop({"Tops": 100}, photos=100)
    folder = paths.PRETRAINED / "ours"
    folder.mkdir()
    shutil.copy("configs/ssd_efficientnet_lite0.config", folder / "pipeline.config")
    train = written().train
    assert (train.detector, train.checkpoint, train.checkpoint_type) == ("ssd_efficientnet_lite0", "ours", "detection")
    assert (train.depth_multiplier, train.resolution) == (1.0, 300)
    (folder / "pipeline.config").write_text('model { ssd { feature_extractor { type: "ssd_mobilenet_v2_keras" } } }')
    train = written().train
    assert (train.detector, train.checkpoint, train.depth_multiplier) == ("ssd_mobilenet_v1", "coco", 0.75)
    (reason,) = recipe_weights.choose().left_out
    assert f"    # {reason}\n" in recipes.path("shop").read_text(encoding="utf-8")
    assert recipe_writer.after_import("shop").splitlines()[2] == f"{reason}; next:"


def test_an_edited_recipe_stays_and_an_unedited_one_is_replaced(shop):
    shop({"Tops": 100}, photos=100)
    recipe_writer.write_recipe("shop")
    shop({"Tops": 100, "Hats": 50}, photos=100)
    assert written().data.classes == ("Hats", "Tops")
    path = recipes.path("shop")
    edited = path.read_text(encoding="utf-8").replace("mosaic: 0.5", "mosaic: 0.0")
    path.write_text(edited, encoding="utf-8")
    shop({"Shoes": 100}, photos=100)
    assert "was edited and stays as it is; classes found now: Shoes" in recipe_writer.write_recipe("shop").note
    assert path.read_text(encoding="utf-8") == edited


def test_a_recipe_of_another_data_set_is_not_replaced(shop):
    shop({"Tops": 100}, photos=100)
    before = recipes.path("six").read_bytes()
    assert recipe_writer.write_recipe("six").name == "six-photos"
    assert recipes.path("six").read_bytes() == before
    assert recipes.load("six-photos").params["data"]["name"] == "six"


def test_lists_of_splits_that_came_along_pin_the_photos(shop):
    shop({"Tops": 100}, photos=100)
    for name in ("train.txt", "test.txt", "photos.txt"):
        (paths.lists("shop") / name).touch()
    split = written().split
    assert (split.train_list, split.test_list, split.val_list) == ("train.txt", "test.txt", None)


def test_after_an_import_the_next_commands_are_named(shop):
    shop({"Tops": 100}, photos=100)
    assert recipe_writer.after_import("shop").splitlines()[1:] == [
        "configs/experiments/shop.yaml has values for a first training; next:",
        "  apparel inspect shop",
        f"  {recipe_weights.IMPORT_COCO}",
        "  git add data configs/experiments/shop.yaml && git commit -m 'Add the photos of shop'",
        "  apparel run shop",
    ]


def test_without_a_box_there_is_no_recipe_and_that_is_said(shop):
    shop({}, photos=4)
    text = recipe_writer.after_import("shop")
    assert "no recipe for a training was written: the annotations of shop hold no box" in text
    assert text.splitlines()[-2] == "  apparel inspect shop"
    assert not recipes.path("shop").exists()
