import pytest

from apparel.data import source_names

HASHES = ("0123456789abcdef0123456789abcdef", "ABCDEFGHIJ0123456789", "00000000000000000000000000000000")


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("IMG_1_jpg.rf.0123456789abcdef0123456789abcdef.jpg", "img_1"),
        ("IMG_1_JPG.rf.0123456789ABCDEF0123456789abcdef.jpg", "img_1"),
        ("a.b_png.rf.Y3bxDmUXiXv0nLtEK0fU.jpg", "a.b"),
        ("photos_original_IMG_1.jpg_01234567-89ab-cdef-0123-456789abcdef.jpg", "img_1"),
        ("IMG_1_aug_2.png", "img_1"),
        ("IMG_1_aug1.png", "img_1"),
        ("IMG_1-hflip.jpg", "img_1"),
        ("IMG_1_flip.jpg", "img_1"),
        ("IMG_1_rot90.jpg", "img_1"),
        ("IMG_1 - Copy.jpg", "img_1"),
        ("IMG_1 - Copy (2).jpg", "img_1"),
        ("IMG_1 copy 2.jpg", "img_1"),
        ("IMG_001.jpg", None),
        ("IMG_1_2.jpg", None),
        ("shop (1).jpg", None),
        ("frame-0001.jpg", None),
        ("video.rf.jpg", None),
        ("top_crop.jpg", None),
        ("shirt_grey.jpg", None),
        ("hemd_rot_2.jpg", None),
        ("copy.jpg", None),
        ("0123456789abcdef0123456789abcdef.jpg", None),
    ],
)
def test_the_stem_of_the_source(name, stem):
    assert source_names.source_stem(name) == stem


def test_copies_of_one_source_are_siblings_and_so_is_the_source():
    copies = [f"IMG_1_jpg.rf.{code}.jpg" for code in HASHES]
    others = ["IMG_2_jpg.rf.0123456789abcdef0123456789abcdef.jpg", "IMG_3.jpg", "IMG_4.jpg", "shop (1).jpg", "shop.jpg"]
    pairs = source_names.find_siblings([*others, *copies, "img_1.JPG"], [])
    first = min(copies)
    assert sorted(pairs) == [(first, name) for name in sorted([*copies, "img_1.JPG"])[1:]]


def test_a_name_that_many_photos_share_says_nothing_unless_some_look_alike():
    photos = [f"image_jpg.rf.{number:032}.jpg" for number in range(20)]
    assert source_names.find_siblings(photos, [(photos[0], photos[1])]) == []
    alike = [(photos[row], photos[row + 1]) for row in (0, 2)]
    assert source_names.find_siblings(photos, alike) == [(photos[0], name) for name in photos[1:]]
    assert len(source_names.find_siblings(photos[: source_names.TRUSTED_COPIES], [])) == source_names.TRUSTED_COPIES - 1
