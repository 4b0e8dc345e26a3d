import shutil
from random import Random

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from apparel.data import duplicates
from apparel.data.synthetic import dataset, textures
from apparel.utils import beam
from tests.support import beam_in_process


def garment(seed, size=(320, 320)):
    """A striped shape on white, another one for each seed, like a product photo."""
    random = np.random.default_rng(seed)
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    corners = [(int(size[0] * x), int(size[1] * y)) for x, y in random.uniform(0.1, 0.9, (6, 2))]
    draw.polygon(corners, fill=tuple(random.integers(0, 200, 3).tolist()))
    for x in random.integers(0, size[0], 8).tolist():
        draw.line([(x, size[1] // 4), (x, size[1])], fill=tuple(random.integers(0, 255, 3).tolist()), width=5)
    return image


CHANGES = {
    "smaller": lambda image: image.resize((image.width // 2, image.height // 2)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "grey": lambda image: image.convert("L"),
    "cropped": lambda image: image.crop((4, 4, image.width - 4, image.height - 4)),
}


GEOMETRY = {
    "mirrored": ImageOps.mirror,
    "mirrored: upside down": ImageOps.flip,
    "mirrored: cropped, resized": lambda image: ImageOps.mirror(image.crop((20, 20, 300, 300))).resize((240, 260)),
    "turned: 90": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "turned: 180": lambda image: image.transpose(Image.Transpose.ROTATE_180),
    "turned: 270": lambda image: image.transpose(Image.Transpose.ROTATE_270),
    "turned: 6": lambda image: image.rotate(6, Image.Resampling.BILINEAR, fillcolor="white"),
    "cropped or padded: 5%": lambda image: image.crop((16, 16, 304, 304)),
    "cropped or padded: 10%": lambda image: image.crop((32, 32, 288, 288)),
    "cropped or padded: uneven": lambda image: image.crop((40, 0, 310, 290)),
    "cropped or padded: white": lambda image: ImageOps.expand(image, 32, "white"),
    "cropped or padded: black": lambda image: ImageOps.expand(image, (20, 30), "black"),
}


@pytest.fixture
def folder(tmp_path):
    """Six garments; a byte-for-byte copy of the first, changed copies of the second, and a file of noise."""
    for seed in range(6):
        garment(seed).save(tmp_path / f"{seed}.png")
    shutil.copy(tmp_path / "0.png", tmp_path / "copy of 0.png")
    for name, change in CHANGES.items():
        change(garment(1)).save(tmp_path / f"{name} 1.jpg", quality=30)
    (tmp_path / "noise.jpg").write_bytes(b"\xff\xd8 no photo")
    return tmp_path


def names(folder):
    return [path.name for path in folder.iterdir()]


def group(folder, names):
    return duplicates.group_duplicates(names, duplicates.find_duplicates(folder, names))


def test_copies_are_grouped_and_others_are_not(folder):
    groups = group(folder, names(folder))
    together = {name for name, first in groups.items() if first == groups["1.png"]}
    assert together == {"1.png"} | {f"{name} 1.jpg" for name in CHANGES}
    assert groups["copy of 0.png"] == groups["0.png"] == "0.png"
    assert {name for name, first in groups.items() if first == name} >= {
        "2.png",
        "3.png",
        "4.png",
        "5.png",
        "noise.jpg",
    }


def test_pairs_have_the_closest_kind_that_fits(folder):
    mirrored = "0_jpg.rf.0123456789abcdef0123456789abcdef.jpg"
    ImageOps.mirror(garment(0)).save(folder / mirrored)
    unlike = "0_jpg.rf.00000000000000000000000000000000.jpg"
    garment(9).save(folder / unlike)
    pairs = duplicates.find_duplicates(folder, ["copy of 0.png", "0.png", "1.png", "smaller 1.jpg", mirrored, unlike])
    assert pairs.columns.tolist() == duplicates.PAIR_COLUMNS
    assert pairs.to_numpy().tolist() == [
        ["0.png", "copy of 0.png", "same file"],
        ["1.png", "smaller 1.jpg", "same picture"],
        ["0.png", mirrored, "mirrored"],
        [mirrored, "copy of 0.png", "mirrored"],
        ["0.png", unlike, "by name"],
    ]
    assert duplicates.summary(pairs) == (
        "6 photos in 2 groups (pairs: same file 1, same picture 1, mirrored 2, by name 1)"
    )
    assert duplicates.summary(pairs[:0]) == "none"


@pytest.mark.parametrize(("kind", "change"), GEOMETRY.items())
def test_copies_of_other_geometry_are_found_and_named(tmp_path, kind, change):
    for seed in range(4):
        garment(seed).save(tmp_path / f"{seed}.png")
    change(garment(2)).save(tmp_path / "copy.jpg", quality=60)
    pairs = duplicates.find_duplicates(tmp_path, names(tmp_path))
    assert pairs.to_numpy().tolist() == [["2.png", "copy.jpg", kind.split(":")[0]]]


def test_different_garments_before_one_wall_are_no_duplicates(tmp_path):
    wall, colour = textures.paint_background(Random("wall 1"), 320)
    for number, label in enumerate(dataset.CLASS_WEIGHTS):
        photo = wall.copy()
        dataset.draw_garment(Random(number), photo, label, 220, colour, [])
        photo.save(tmp_path / f"{label}.png")
    assert duplicates.find_duplicates(tmp_path, names(tmp_path)).empty


def test_pairs_do_not_depend_on_the_order_of_names_or_the_number_of_cores(folder, monkeypatch):
    pairs = duplicates.find_duplicates(folder, names(folder))
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    assert pairs.equals(duplicates.find_duplicates(folder, names(folder)[::-1]))


def test_duplicates_of_duplicates_are_in_one_group():
    table = pd.DataFrame([("b", "c", "turned"), ("a", "b", "by name")], columns=duplicates.PAIR_COLUMNS)
    assert duplicates.group_duplicates(["d", "c", "b", "a"], table) == {"a": "a", "b": "a", "c": "a", "d": "d"}


def test_near_hashes_are_those_of_all_pairs():
    random = np.random.default_rng(0)
    bits = random.random((30, 256)) < 0.5
    bits[20:] = bits[:10] ^ (random.random((10, 256)) < np.linspace(0, 0.4, 10)[:, None])
    bits[29] = bits[0]
    bits[29, :64] ^= True
    bits[28] = bits[0]
    bits[28, :65] ^= True
    expected = [
        (one, other)
        for one in range(30)
        for other in range(one + 1, 30)
        if (bits[one] != bits[other]).sum() <= duplicates.MAX_DISTANCE
    ]
    assert len(expected) > 4 and (0, 29) in expected and (0, 28) not in expected
    hashes = [np.packbits(row).tobytes() for row in bits]
    for block in (1, 7, 30, 64):
        assert sorted(duplicates.near_pairs(hashes, block)) == expected
    assert duplicates.near_pairs([]) == []


def test_no_photo_and_one_photo(folder):
    assert group(folder, []) == {}
    assert group(folder, ["0.png"]) == {"0.png": "0.png"}


def test_photos_that_cannot_be_decoded_are_named_with_the_reason(folder):
    hashes, unreadable = duplicates.hash_photos(folder, ["noise.jpg", "0.png"])
    assert list(hashes) == ["0.png"] and "noise.jpg" in unreadable["noise.jpg"]


def test_two_folders_are_compared_across_alone(tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder in (ours, theirs):
        folder.mkdir()
        garment(0).save(folder / "0.png")
    garment(0).save(ours / "again.png")
    garment(1).save(ours / "1.png")
    ImageOps.mirror(garment(1)).save(theirs / "0_flip.png")
    garment(2).save(theirs / "1 copy.png")
    pairs = duplicates.compare_folders(*(duplicates.hash_photos(folder, names(folder))[0] for folder in (ours, theirs)))
    assert list(pairs.itertuples(index=False, name=None)) == [
        ("0.png", "0.png", "same file"),
        ("again.png", "0.png", "same file"),
        ("1.png", "0_flip.png", "mirrored"),
        ("0.png", "0_flip.png", "by name"),
        ("1.png", "1 copy.png", "by name"),
    ]


def test_beams_workers_find_the_same(folder, tmp_path, monkeypatch):
    here, unreadable = duplicates.hash_photos(folder, names(folder))
    pairs = duplicates.compare_hashes(here, names(folder))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(beam, "ITEMS_A_SHARD", 4)
    listed = names(folder)
    beam_in_process.install(monkeypatch)
    by_beam, reasons = duplicates.hash_photos(folder, listed)
    assert reasons == unreadable
    assert list(by_beam) == list(here)
    assert duplicates.compare_hashes(by_beam, listed).equals(pairs)
    assert not list(beam.FOLDER.glob("*/*"))
