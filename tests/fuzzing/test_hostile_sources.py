"""Hostile archives, imported and converted: refused by name, or with all files in the data folder."""

import io
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import strategies as st
from PIL import Image

from apparel.annotations.convert import convert_data_set
from apparel.annotations.records import Box
from apparel.data.ingest import dataset, sources
from apparel.data.synthetic.dataset import labelimg_xml
from tests.support.fuzzing import CASES, NAMES, mutated, outcomes, tree

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="tells hangs by a POSIX signal"),
    pytest.mark.filterwarnings("ignore:Duplicate name"),
    pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning"),
]


def photo(width: int, height: int) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (width, height), (200, 30, 40)).save(data, "JPEG")
    return data.getvalue()


def annotation(*corners: str) -> bytes:
    """Of a.jpg, with one box of these corners, whatever they are."""
    text = labelimg_xml("a.jpg", 40, [Box("Tops", (1, 2, 30, 39))])
    for name, old, new in zip(("xmin", "ymin", "xmax", "ymax"), ("1", "2", "30", "39"), corners, strict=True):
        text = text.replace(f"<{name}>{old}</{name}>", f"<{name}>{new}</{name}>")
    return text.encode()


NUMBERS = ["nan", "-inf", "-5", "0", "1e308", "1e400", "30", "39", "12.5", "", "0x1F", "9" * 50]
CORNERS = st.tuples(*[st.sampled_from(NUMBERS)] * 4)
CONTENTS = st.one_of(
    st.just(photo(40, 40)),
    st.just(photo(7, 3)),
    CORNERS.map(lambda corners: annotation(*corners)),
    st.just(annotation("1", "2", "30", "39")).flatmap(mutated),
    st.just(photo(40, 40)).flatmap(mutated),
    st.just(b"filename,class\na.jpg,Tops\n").flatmap(mutated),
)
SOUND = {"a.jpg": photo(40, 40), "a.xml": annotation("1", "2", "30", "39")}
ENTRIES = st.lists(st.tuples(st.sampled_from(NAMES), CONTENTS), max_size=4)


def zipped(entries: list[tuple[str, bytes]]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(zipfile.ZipInfo(name.encode(errors="replace").decode()), content)
    return data.getvalue()


def tarred(entries: list[tuple[str, bytes]]) -> bytes:
    """Every fourth file is a link to one outside."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.GNU_FORMAT, errors="surrogatepass") as archive:
        for number, (name, content) in enumerate(entries):
            info = tarfile.TarInfo(name.replace("\0", "?") or "x")
            info.size, info.linkname = len(content), "/etc/passwd"
            if number % 4 == 3:
                info.type, info.size = tarfile.SYMTYPE, 0
            archive.addfile(info, io.BytesIO(content))
    return data.getvalue()


def import_and_convert(archive: Path, folder: Path) -> None:
    """Does what `apparel import` and the stage convert do, without DVC."""
    work = folder / "work"
    data_set = dataset.find_data_set(sources.open_source(str(archive), None, [], work).entries)
    dataset.copy_data_set(data_set, folder, work)
    for name in data_set.photos | data_set.annotations:
        assert Path(name).name == name
    converted = convert_data_set(folder / "photos", folder / "annotations", None)
    assert set(converted.labels["filename"]) <= set(data_set.photos)


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_hostile_archive_is_refused_or_stays_in_the_data_folder(tmp_path, monkeypatch, pack):
    monkeypatch.chdir(tmp_path)
    archive, folder = Path("shop.zip"), Path("data/shop")
    sound = st.just(list(SOUND.items()))
    cases = st.builds(list.__add__, sound, ENTRIES).map(pack)

    def attempt(content: bytes) -> None:
        archive.write_bytes(content)
        folder.mkdir(parents=True)
        try:
            import_and_convert(archive, folder)
        finally:
            shutil.rmtree(folder)
            assert tree(tmp_path) == {"shop.zip", "data"}

    found = outcomes(cases | cases.flatmap(mutated), attempt, named="")
    assert min(found["taken"], found["refused"]) > CASES / 50
