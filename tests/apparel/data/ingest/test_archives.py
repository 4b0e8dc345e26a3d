import gzip
import io
import stat
import struct
import tarfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apparel.data.ingest import archives
from apparel.data.ingest.archives import Entry
from apparel.errors import UserError
from apparel.utils import limits
from apparel.utils.limits import UnpackLimits

FILES = {"samples/a.jpg": b"photo" * 1000, "b c/d-é.xml": b"<annotation/>", "empty": b""}


def zipped(path, files, mode=0o100644, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, data, method)
    return path


def tarred(path, files, kind=tarfile.REGTYPE, mode="w:gz", target=""):
    with tarfile.open(path, mode) as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname = kind, len(data) if kind == tarfile.REGTYPE else 0, target
            archive.addfile(info, io.BytesIO(data))
    return path


def unpack(path, left=None):
    entry = Entry(path.name, path)
    return archives.unpack_archive(entry, path.with_name("unpacked"), left or UnpackLimits(path.stat().st_size))


@pytest.mark.parametrize("write", [zipped, tarred])
def test_files_are_unpacked_as_they_were_packed(tmp_path, write):
    hidden = {"__MACOSX/._a.jpg": b"x", ".DS_Store": b"x", "samples/.thumb": b"x"}
    entries = unpack(write(tmp_path / "archive", (FILES | hidden).items()))
    assert {entry.name: entry.path.read_bytes() for entry in entries} == {f"archive/{k}": v for k, v in FILES.items()}


def test_names_in_utf_8_without_the_flag_in_a_zip(tmp_path):
    zipped(tmp_path / "archive.zip", [("QQQQ.jpg", b"x"), ("WWWW.jpg", b"y")])
    data = (tmp_path / "archive.zip").read_bytes()
    (tmp_path / "archive.zip").write_bytes(data.replace(b"QQQQ", "é".encode() + b"e1").replace(b"WW", b"\x81x"))
    assert [entry.base for entry in unpack(tmp_path / "archive.zip")] == ["ée1.jpg", "üxüx.jpg"]


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2"])
def test_tars_of_each_compression_and_folders_in_them(tmp_path, mode):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x").write_bytes(b"y" * 100_000)
    with tarfile.open(tmp_path / "archive.tar", mode) as archive:
        archive.add(tmp_path / "folder", arcname="folder")
    (entry,) = unpack(tmp_path / "archive.tar")
    assert entry.name == "archive.tar/folder/x" and entry.path.read_bytes() == b"y" * 100_000


@pytest.mark.parametrize("write", [zipped, tarred])
@pytest.mark.parametrize("name", ["../x", "a/../../x", "/x", "C:\\x", "\\\\host\\x", "..\\x", "C:x", "//x"])
def test_names_that_lead_out_are_refused_by_name(tmp_path, write, name):
    path = write(tmp_path / "evil.zip", [("good", b"1"), (name, b"2")])
    with pytest.raises(UserError, match="leads out of the archive") as error:
        unpack(path)
    assert "evil.zip" in str(error.value) and "nothing was imported" in str(error.value)
    assert not (tmp_path / "x").exists() and not (tmp_path.parent / "x").exists()


@pytest.mark.parametrize(("write", "name"), [(zipped, "QQ"), (zipped, "."), (tarred, ""), (tarred, ".")])
def test_a_file_without_a_name_is_refused(tmp_path, write, name):
    path = write(tmp_path / "nameless", [("good", b"1"), (name, b"2")])
    path.write_bytes(path.read_bytes().replace(b"QQ", b"\0\0"))  # zipfile itself writes no such name
    with pytest.raises(UserError, match=r"^nameless: a file in it has no name; pack it again; nothing was imported$"):
        unpack(path)


@pytest.mark.parametrize("write", [zipped, tarred])
@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("other", ["a/b", "./a/b", "a//b", "a\\b"])
def test_a_name_that_is_used_twice_is_refused(tmp_path, write, other):
    path = write(tmp_path / "twice", [("a/b", b"1"), (other, b"2")])
    with pytest.raises(UserError, match="is in it twice"):
        unpack(path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_tars_are_refused(tmp_path, kind):
    with pytest.raises(UserError, match="'x' in it is a link"):
        unpack(tarred(tmp_path / "archive", [("x", b"")], kind, target="/etc/passwd"))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_in_zips_are_refused(tmp_path, kind):
    with pytest.raises(UserError, match="'x' in it is a link"):
        unpack(zipped(tmp_path / "archive", [("x", b"/etc/passwd")], mode=kind | 0o777))


def test_bombs_are_refused_before_they_are_unpacked(tmp_path):
    zeros = bytes(30_000_000)
    for path in (zipped(tmp_path / "zip", [("x", zeros)]), tarred(tmp_path / "tar", [("x", zeros)])):
        with pytest.raises(UserError, match="decompression bomb"):
            unpack(path)
        assert not any((tmp_path / "unpacked").iterdir())


def test_archives_in_an_archive_share_its_limits(tmp_path):
    path = zipped(tmp_path / "zip", [("x", bytes(6_000_000))])
    left = UnpackLimits(path.stat().st_size)
    unpack(path, left)
    with pytest.raises(UserError, match="decompression bomb"):
        unpack(path, left)


def test_too_many_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_FILES", 3)
    files = [(str(number), b"") for number in range(4)]
    for path in (zipped(tmp_path / "zip", files), tarred(tmp_path / "tar", files)):
        with pytest.raises(UserError, match="more than 3 files"):
            unpack(path)


@pytest.mark.parametrize(
    ("name", "message"), [("a/" * 101 + "x", "more than 100 folders"), ("a" * 1001, "1,000 bytes")]
)
def test_names_that_are_too_deep_or_too_long_are_refused(tmp_path, name, message):
    for path in (zipped(tmp_path / "zip", [(name, b"")]), tarred(tmp_path / "tar", [(name, b"")])):
        with pytest.raises(UserError, match=message):
            unpack(path)


def test_a_header_of_gigabytes_is_not_read(tmp_path):
    """A tar may announce an extended header of any length, which Python would read into memory."""
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 8 * 10**9
    path = tmp_path / "archive"
    path.write_bytes(gzip.compress(header.tobuf(tarfile.USTAR_FORMAT) + bytes(50_000_000)))
    with pytest.raises(UserError, match="headers are larger"):
        unpack(path)


def test_sparse_files_are_refused(tmp_path):
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.GNUTYPE_SPARSE, 0
    path = tmp_path / "archive"
    path.write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(UserError, match="sparse"):
        unpack(path)


def test_a_full_disk_is_reported_before_anything_is_written(tmp_path, monkeypatch):
    path = zipped(tmp_path / "archive", FILES.items())
    usage = type("Usage", (), {"free": archives.RESERVED_DISK_BYTES + 100})
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(UserError, match="no disk space"):
        unpack(path)
    assert not any((tmp_path / "unpacked").iterdir())


def flipped_flag(data):
    """The zip with its files marked as encrypted, in the directory and before each file."""
    for signature, position in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        start = data.index(signature) + position
        data = data[:start] + struct.pack("<H", 1) + data[start + 2 :]
    return data


def test_encrypted_zips_and_rare_compression_are_refused(tmp_path):
    path = zipped(tmp_path / "archive", [("x", b"data")])
    path.write_bytes(flipped_flag(path.read_bytes()))
    with pytest.raises(UserError, match="encrypted"):
        unpack(path)
    with pytest.raises(UserError, match="unusual"):
        unpack(zipped(tmp_path / "archive", [("x", b"data")], method=zipfile.ZIP_LZMA))


@pytest.mark.parametrize("data", [b"", b"PK\3\4", b"\x1f\x8b\x08", b"BZh9", b"Rar!\x1a\x07", b"\x89PNG", b"x" * 1000])
def test_a_file_that_is_not_an_archive_is_refused(tmp_path, data):
    path = tmp_path / "archive.zip"
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"archive\.zip"):
        unpack(path)


@pytest.mark.parametrize("write", [zipped, tarred])
@given(data=st.data())
def test_a_damaged_archive_is_refused_or_unpacked_correctly(tmp_path_factory, write, data):
    """One byte changed, or the end cut off: never a wrong or a missing file without an error."""
    folder = tmp_path_factory.mktemp("damaged")
    whole = write(folder / "archive", FILES.items()).read_bytes()
    position = data.draw(st.integers(0, len(whole) - 1))
    change = data.draw(st.integers(0, 255))
    changed = bytes([whole[position] ^ change]) + whole[position + 1 :] if change else b""
    damaged = whole[:position] + changed
    (folder / "archive").write_bytes(damaged)
    try:
        entries = unpack(folder / "archive")
    except UserError:
        return
    # Names and dates in a zip's directory have no check sum; what was in the files does.
    contents = sorted(entry.path.read_bytes() for entry in entries)
    assert all(content in FILES.values() for content in contents)
    if write is tarred:
        assert contents == sorted(FILES.values())
