import pytest

from apparel.data.pinned_split import PinnedSplit, read_photo_list, read_pinned_split
from apparel.errors import UserError
from tests.support.split_params import split_params


def write_lists(folder, **lists):
    for name, text in lists.items():
        path = folder / name.replace("_", ".")
        path.write_text(text, encoding="utf-8")


def test_lists_are_csv_or_text(tmp_path):
    write_lists(tmp_path, test_csv="class,filename\na,x.jpg\nb,x.jpg\na,gone.jpg\n", train_txt="y.jpg\n\nz.jpg\r\n")
    pinned = read_pinned_split(
        split_params(test_list="test.csv", train_list="train.txt"), tmp_path, ["x.jpg", "y.jpg", "z.jpg"]
    )
    assert pinned == PinnedSplit(frozenset({"y.jpg", "z.jpg"}), frozenset({"x.jpg"}), ("gone.jpg",))


def test_listed_names_match_photos_despite_case_and_the_encoding_of_accents(tmp_path):
    write_lists(tmp_path, test_csv="filename\nu\u0308.jpg\nA.JPG\nB.jpg\n,\n".replace(",", '""'))
    pinned = read_pinned_split(
        split_params(test_list="test.csv"), tmp_path, ["ü.jpg", "a.jpg", "b.jpg", "B.jpg", "c.jpg"]
    )
    assert pinned == PinnedSplit(None, frozenset({"ü.jpg", "a.jpg", "B.jpg"}), ())


def test_listed_names_match_photos_despite_the_extension_if_only_one_fits(tmp_path):
    write_lists(tmp_path, test_csv="filename\na.png\nb.thumbnail\nC.JPEG\nd.gif\ne.jpg\n")
    names = ["a.jpg", "b.thumbnail.jpg", "c.jpg", "d.jpg", "d.png", "e.jpg", "e.png"]
    pinned = read_pinned_split(split_params(test_list="test.csv"), tmp_path, names)
    assert pinned == PinnedSplit(None, frozenset({"a.jpg", "b.thumbnail.jpg", "c.jpg", "e.jpg"}), ("d.gif",))


def test_a_list_of_one_class_of_pascal_voc_pins_the_photos_that_show_it(tmp_path):
    """Development kit, section 8.1: 1 shows the class, -1 does not, 0 is hard to see."""
    photos = ["000001.jpg", "000002.jpg", "2.jpg"]
    write_lists(tmp_path, car_txt="000001  1\n000002 -1\n2\t0\n", plain_txt="data/000001.jpg\nC:\\a\\2.jpg\n")
    assert read_photo_list(tmp_path / "car.txt", photos) == {"000001.jpg", "2.jpg"}
    assert read_photo_list(tmp_path / "plain.txt", photos) == {"000001.jpg", "2.jpg"}
    write_lists(tmp_path, spaces_txt="shirt 1\nshirt -1\n")
    assert read_photo_list(tmp_path / "spaces.txt", ["shirt 1.jpg", "shirt -1.jpg"]) == {"shirt 1.jpg", "shirt -1.jpg"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test_list": "../test.csv"}, "split.test_list: '../test.csv' leads out"),
        ({"train_list": "a/../../test.csv"}, "split.train_list: 'a/../../test.csv' leads out"),
        ({"test_list": "/etc/passwd"}, "leads out"),
        ({"test_list": "C:\\test.csv"}, "leads out"),
        ({"test_list": "..\\test.csv"}, "leads out"),
        ({"test_list": "none.csv"}, "split.test_list: there is no list 'none.csv'"),
        ({"test_list": "none.txt"}, "split.test_list: there is no list 'none.txt'"),
        ({"test_list": "bare.csv"}, "no column 'filename'"),
        ({"test_list": "binary.txt"}, "not a text file"),
        ({"test_list": "other.csv"}, "names 1 photos (q.jpg), none of which is in the data set"),
        ({"test_list": "tests.csv"}, "did you mean 'test.csv'?"),
        ({"test_list": ""}, "there is no list ''"),
        ({"test_list": "empty.csv"}, "names no photos"),
        ({"test_list": "empty.txt"}, "names no photos"),
        ({"test_list": "test.csv", "train_list": "test.csv"}, "x.jpg in both split.train_list and split.test_list"),
        ({"test_list": "test.csv", "val_list": "test.csv"}, "x.jpg in both split.val_list and split.test_list"),
    ],
)
def test_lists_that_cannot_be_used_are_refused(tmp_path, changes, message):
    folder = tmp_path / "lists"
    folder.mkdir()
    write_lists(folder, test_csv="filename\nx.jpg\n", bare_csv="x.jpg\n", other_csv="filename\nq.jpg\n")
    write_lists(folder, empty_csv="filename,class\n,a\n", empty_txt="\n")
    write_lists(tmp_path, test_csv="filename\nx.jpg\n")
    (folder / "binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError) as error:
        read_pinned_split(split_params(**changes), folder, ["x.jpg"])
    assert message in str(error.value)
