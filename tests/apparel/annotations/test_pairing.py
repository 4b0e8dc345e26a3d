"""The whole set decides which photo an annotation belongs to; no box lands on another photo than its own."""

import pytest

from apparel.annotations.pairing import pair_photos
from apparel.annotations.problems import Problem
from apparel.annotations.records import Annotation, Box
from apparel.errors import UserError
from tests.support.annotated_photos import DataSet, reasons
from tests.support.red_photos import RedPhotos

SHAPES = [(64, 48), (80, 60), (48, 64), (70, 50), (60, 60), (128, 96)]
SIZES = {
    "one size": lambda _: (64, 48),
    "two sizes": lambda number: SHAPES[number % 2 * 2],
    "one shape": lambda number: (SHAPES[0], SHAPES[1], SHAPES[5])[number % 3],
    "six sizes": lambda number: SHAPES[number % 6],
    "each its own": lambda number: (60 + 2 * number, 40 + 3 * number),
}
SEVERAL_SIZES = [name for name in SIZES if name != "one size"]
COUNT = 12
SHIFT = 5

TOO_MANY = "give the size of another photo or shape"
BOTH_NAMES = "are called as one photo and name another"
BY_NAME = "photo found by the annotation's own name"
BY_FILENAME = "photo found by <filename>, not by the annotation's own name"


@pytest.fixture
def data(tmp_path):
    return DataSet(tmp_path)


@pytest.fixture
def red(tmp_path):
    return RedPhotos(tmp_path, seed=1)


def photos(red, kind, prefix="", suffix=".jpg"):
    """Draws photos of a kind of sizes; returns their names."""
    names = [f"{prefix}{number}{suffix}" for number in range(COUNT)]
    for number, name in enumerate(names):
        red.photo(name, SIZES[kind](number))
    return names


def other(names, number):
    """The name of another photo: the one that had this number before all were renamed."""
    return names[(number + SHIFT) % COUNT]


@pytest.mark.parametrize("kind", SEVERAL_SIZES)
def test_of_photos_renamed_with_their_annotations_the_own_name_counts(red, kind):
    names = photos(red, kind)
    for number, name in enumerate(names):
        red.xml(f"{number}.xml", name, filename=other(names, number))
    converted = red.convert()
    assert (len(converted.labels), red.wrong(converted.labels)) == (COUNT, [])
    assert converted.report["repaired"][BY_NAME]["count"] == COUNT
    assert f"{COUNT} of {COUNT} annotations {BOTH_NAMES}" in converted.report["decided"][0]


@pytest.mark.parametrize("kind", SEVERAL_SIZES)
def test_of_annotations_numbered_otherwise_the_name_inside_counts(red, kind):
    names = photos(red, kind)
    for number in range(COUNT):
        red.xml(f"{number}.xml", other(names, number))
    converted = red.convert()
    assert (len(converted.labels), red.wrong(converted.labels)) == (COUNT, [])
    assert converted.report["repaired"][BY_FILENAME]["count"] == COUNT


def test_where_nothing_tells_the_two_names_apart_both_readings_are_shown(red):
    names = photos(red, "one size")
    for number, name in enumerate(names):
        red.xml(f"{number}.xml", name, filename=other(names, number))
    counts = f"12 of 12 annotations {BOTH_NAMES}: by their own names 0 fit better, by <filename> 0"
    first = r"\(0\.xml: 0\.jpg or 5\.jpg, .* and 9 more\)"
    with pytest.raises(UserError, match=rf"{counts} {first}; convert\.pairing in params\.yaml decides"):
        red.convert()
    assert red.wrong(red.convert(pairing="name").labels) == []
    assert len(red.wrong(red.convert(pairing="filename").labels)) == COUNT


@pytest.mark.parametrize("kind", SEVERAL_SIZES)
def test_where_half_of_a_set_contradicts_the_other_it_stops(red, kind):
    first, second = photos(red, kind, "a"), photos(red, kind, "b")
    for number in range(COUNT):
        red.xml(f"a{number}.xml", first[number], filename=other(first, number))
        red.xml(f"b{number}.xml", other(second, number))
    with pytest.raises(UserError, match=rf"24 of 24 annotations {BOTH_NAMES}"):
        red.convert()


@pytest.mark.parametrize("kind", SIZES)
def test_of_two_merged_sets_of_which_one_was_renamed_no_label_is_lost(red, kind):
    first, second = photos(red, kind), photos(red, kind, "b")
    for number in range(COUNT):
        red.xml(f"{number}.xml", first[number])
        red.xml(f"two/b{number}.xml", second[number], filename=first[number])
    converted = red.convert()
    assert (len(converted.labels), red.wrong(converted.labels)) == (2 * COUNT, [])
    assert converted.report["dropped"] == {}


@pytest.mark.parametrize("kind", SIZES)
def test_one_file_name_in_all_annotations_is_not_believed(red, kind):
    for name in photos(red, kind):
        red.xml(f"{name}.xml", name, filename="0.jpg")
    converted = red.convert()
    assert (len(converted.labels), red.wrong(converted.labels)) == (COUNT, [])


@pytest.mark.parametrize("kind", SEVERAL_SIZES)
@pytest.mark.parametrize("inside", ["{}.jpg", "DSC{}.jpg"])
def test_photos_in_another_order_than_their_annotations_stop_the_run(red, kind, inside):
    names = photos(red, kind)
    for number in range(COUNT):
        red.xml(f"{number}.xml", other(names, number), filename=inside.format(number))
    # Of two sizes that are each other's turned, all may be exchanged sides, which no box proves.
    with pytest.raises(UserError, match=rf"\d+ of 12 annotations that .* {TOO_MANY}|have boxes that cannot be placed"):
        red.convert()
    red.convert(pairing="name", sizes="own")


@pytest.mark.parametrize("kind", SEVERAL_SIZES)
def test_sizes_of_other_photos_in_a_table_stop_the_run(red, kind):
    names = photos(red, kind)
    rows = ["filename,width,height,class,xmin,ymin,xmax,ymax\n"]
    for number, name in enumerate(names):
        of = other(names, number)
        width, height = red.sizes[of]
        rows.append(f"{name},{width},{height},red,{','.join(map(str, red.truth[of]))}\n")
    (red.folder / "annotations" / "labels.csv").write_text("".join(rows))
    with pytest.raises(UserError, match=rf"in files for many photos {TOO_MANY}|have boxes that cannot be placed"):
        red.convert()


def test_two_exchanged_photos_are_dropped_and_named(red):
    for number in range(30):
        red.photo(f"{number}.jpg", SIZES["each its own"](number))
    for number in range(30):
        red.xml(f"{number}.xml", f"{ {3: 4, 4: 3}.get(number, number) }.jpg", filename=f"{number}.jpg")
    converted = red.convert()
    assert (len(converted.labels), red.wrong(converted.labels)) == (28, [])
    assert reasons(converted.report) == {
        "size is not that of the photo that is named": {"3.xml": ["68x52, 3.jpg"], "4.xml": ["66x49, 4.jpg"]}
    }
    assert not {"3.jpg", "4.jpg"} & set(converted.photos["filename"])


def test_exchanged_photos_are_told_from_scaled_copies(red):
    sizes = [(60 + 4 * number, 45 + 3 * number) for number in range(30)]
    for number, size in enumerate(sizes):
        red.photo(f"{number}.jpg", size)
    for number, (width, height) in enumerate(sizes):
        of = f"{ {3: 4, 4: 3}.get(number, number) }.jpg"
        scaled = number % 2 and number > 5
        size, box = ((4 * width, 4 * height), [4 * corner for corner in red.truth[of]]) if scaled else (None, None)
        red.xml(f"{number}.xml", of, filename=f"{number}.jpg", size=size, box=box)
    converted = red.convert()
    assert (len(converted.labels), red.wrong(converted.labels)) == (28, [])


def test_copies_of_twice_the_size_are_not_taken_for_exchanged_photos(red):
    for number in range(20):
        size = [(80, 60), (40, 30)][number % 2]
        box = red.photo(f"{number}.jpg", size)
        red.xml(f"{number}.xml", f"{number}.jpg", size=(2 * size[0], 2 * size[1]), box=[2 * corner for corner in box])
    assert red.wrong(red.convert().labels) == []


def test_of_rows_and_files_that_differ_none_is_taken_where_no_more_speaks_for_one(red):
    rows = []
    for number, name in enumerate(photos(red, "one size")):
        xmin, ymin, xmax, ymax = red.truth[name]
        rows.append(f"{name},red,{xmin},{ymin},{xmax - xmin},{ymax - ymin}\n")
        red.xml(f"{number}.xml", name, filename=f"DSC{number}.jpg", box=(1, 2, 11, 12) if number < 8 else None)
    (red.folder / "annotations" / "fiat.csv").write_text("".join(rows))
    converted = red.convert()
    assert (len(converted.labels), red.wrong(converted.labels)) == (4, [])


@pytest.mark.parametrize("kind", SEVERAL_SIZES)
def test_a_few_annotations_in_another_order_are_all_dropped(red, kind):
    for number in range(40):
        red.photo(f"{number}.jpg", SIZES[kind](number))
        red.xml(f"{number}.xml", f"{number}.jpg")
    for number in range(4):
        red.photo(f"b{number}.jpg", SIZES[kind](number))
    for number in range(4):
        red.xml(f"b{number}.xml", f"b{(number + 1) % 4}.jpg", filename=f"DSC{number}.jpg")
    converted = red.convert()
    assert (len(converted.labels), red.wrong(converted.labels)) == (40, [])
    assert converted.report["dropped"]["size is not that of the photo that is named"]["count"] == 4


def test_few_files_that_name_two_photos_are_dropped_where_nothing_tells(red):
    for number in range(30):
        red.photo(f"{number}.jpg")
        red.xml(f"{number}.xml", f"{number}.jpg", filename={0: "1.jpg", 1: "0.jpg"}.get(number))
    converted = red.convert()
    assert (len(converted.labels), red.wrong(converted.labels)) == (28, [])
    assert list(reasons(converted.report)) == ["names two photos, and nothing tells which"]
    assert "they are dropped (convert.pairing" in converted.report["decided"][0]


@pytest.mark.parametrize("kind", SEVERAL_SIZES)
def test_a_stem_with_two_endings_is_told_apart_by_size(red, kind):
    photos(red, kind)
    pngs = photos(red, kind, suffix=".png")
    for number in range(COUNT):
        red.photo(f"{number}.png", SIZES[kind](number + 1))
        red.xml(f"{number}.xml", pngs[number], filename=f"DSC{number}.jpg")
    converted = red.convert()
    assert (len(converted.labels), red.wrong(converted.labels)) == (COUNT, [])
    assert set(converted.labels["filename"]) == set(pngs)


def test_renamed_stems_with_two_endings_are_not_taken_for_the_name_inside(red):
    photos(red, "one size")
    pngs = photos(red, "one size", suffix=".png")
    for number in range(COUNT):
        red.xml(f"{number}.xml", pngs[number], filename=other(pngs, number))
    with pytest.raises(UserError, match=BOTH_NAMES):
        red.convert()


@pytest.mark.parametrize("kind", SIZES)
def test_rows_of_fiat_count_as_claims_beside_renamed_xml(red, kind):
    rows = []
    for name in photos(red, kind):
        xmin, ymin, xmax, ymax = red.truth[name]
        rows.append(f"{name},red,{xmin},{ymin},{xmax - xmin},{ymax - ymin}\n")
    (red.folder / "annotations" / "fiat.csv").write_text("".join(rows))
    for number, name in enumerate(photos(red, kind, "b")):
        red.xml(f"b{number}.xml", name, filename=f"{number}.jpg")
    converted = red.convert()
    assert (len(converted.labels), red.wrong(converted.labels)) == (2 * COUNT, [])


def test_of_two_equal_annotations_for_one_photo_one_is_taken(red):
    for number, name in enumerate(photos(red, "two sizes")):
        red.xml(f"x/{number}.xml", name)
        red.xml(f"y/{number}.xml", name)
    converted = red.convert()
    assert (len(converted.labels), red.wrong(converted.labels)) == (COUNT, [])
    assert converted.report["dropped"]["photo has another annotation"]["count"] == COUNT


def test_of_two_different_annotations_for_one_photo_none_is_taken(red):
    for number, name in enumerate(photos(red, "two sizes")):
        red.xml(f"x/{number}.xml", name)
        if number % 2:
            red.xml(f"y/{number}.xml", name, box=(1, 2, 11, 12))
    converted = red.convert()
    assert (len(converted.labels), red.wrong(converted.labels)) == (COUNT // 2, [])
    found = converted.report["dropped"]["photo has several annotations that differ"]
    assert (found["count"], found["files"]["x/1.xml"]) == (COUNT, ["1.jpg, also in y/1.xml"])


def test_a_photo_is_not_without_garments_where_an_annotation_with_boxes_was_not_taken(data):
    data.photo("a.jpg", "b.jpg")
    data.xml("a.xml", "a.jpg")
    data.xml("z/c.xml", "a.jpg", ("Tops", (5, 6, 7, 8)))
    data.xml("b.xml", "b.jpg", ("Tops", (1, 2, 3, 4)))
    converted = data.convert()
    assert converted.photos["filename"].tolist() == ["b.jpg"]
    assert converted.report["photos_that_lost_all_boxes"] == 1


def test_the_annotation_that_is_called_as_the_photo_wins_over_others(data):
    data.photo("a.jpg")
    data.xml("a.xml", "a.jpg", ("Tops", (1, 2, 3, 4)))
    data.xml("z/b.xml", "a.jpg", ("Tops", (5, 6, 7, 8)))
    (data.annotations / "b.csv").write_text("path,class,x,y,w,h\na.jpg,Tops,9,9,5,5\n")
    converted = data.convert()
    assert converted.labels["xmin"].tolist() == [1]
    assert reasons(converted.report) == {
        "photo has another annotation": {"b.csv": ["a.jpg in a.xml"], "z/b.xml": ["a.jpg in a.xml"]}
    }


def test_a_copy_of_an_annotation_does_not_win_over_the_photos_own(data):
    data.photo("a.jpg", "b.jpg")
    data.xml("a (copy).xml", "a.jpg", ("Tops", (5, 6, 7, 8)))
    data.xml("a.xml", "a.jpg", ("Tops", (1, 2, 3, 4)))
    data.xml("b.xml", "b.jpg", ("Tops", (9, 9, 20, 20)))
    converted = data.convert()
    assert converted.labels["xmin"].tolist() == [1, 9]
    assert reasons(converted.report) == {"photo has another annotation": {"a (copy).xml": ["a.jpg in a.xml"]}}


def test_that_no_other_file_claims_a_photo_speaks_for_it(data):
    data.photo("1.jpg", "2.jpg", "3.jpg")
    for number in (1, 2):
        data.xml(f"{number}.xml", f"{number + 1}.jpg", ("Tops", (1, 2, 3, 4)))
    data.xml("not a photo's name.xml", "1.jpg", ("Tops", (1, 2, 3, 4)))
    assert reasons(data.convert().report, "repaired") == {
        BY_FILENAME: {"1.xml": ["2.jpg, not 1.jpg"], "2.xml": ["3.jpg, not 2.jpg"]}
    }


def test_photos_are_paired_without_a_file():
    box = Box("Tops", (1, 2, 3, 4))
    annotation = Annotation("a.xml", "a.jpg", (box,), stem="a")
    stray = Annotation("b.xml", "b.jpg", (box, box), stem="b")
    pairing = pair_photos(iter([stray, annotation]), ["a.jpg", "c.jpg"], lambda _: {})
    assert pairing.annotations == {"a.jpg": annotation}
    assert pairing.problems == [Problem("dropped", "photo is missing", "b.xml", "'b.jpg', 2 boxes", 2)]
    assert pairing.decisions == []
