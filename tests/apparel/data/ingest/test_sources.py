import hashlib
import os
import subprocess
import tarfile
import zipfile

import pytest

from apparel.data.ingest import sources
from apparel.errors import UserError
from tests.support import memory_bucket

AUTHOR = ["-c", "user.name=A", "-c", "user.email=a@example.com"]


def git(folder, *arguments):
    command = ["git", "-C", str(folder), *AUTHOR, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def read(source, tmp_path, rev=None, only=()):
    opened = sources.open_source(str(source), rev, only, tmp_path / "work")
    return {entry.name: entry.path.read_bytes() for entry in opened.entries}, opened.origin


@pytest.fixture
def folder(tmp_path):
    """Loose files, a zip, and a tar with a zip in it."""
    folder = tmp_path / "shop"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "loose.txt").write_bytes(b"loose")
    (folder / ".hidden").write_bytes(b"")
    with zipfile.ZipFile(folder / "a" / "one.zip", "w") as archive:
        archive.writestr("in/x", b"zipped")
    with tarfile.open(folder / "two.tar.gz", "w:gz") as archive:
        archive.add(folder / "a" / "one.zip", "deep/one.zip")
    return folder


ALL = {"a/loose.txt": b"loose", "a/one.zip/in/x": b"zipped", "two.tar.gz/deep/one.zip/in/x": b"zipped"}


def test_loose_files_archives_and_archives_in_archives(folder, tmp_path):
    files, origin = read(folder, tmp_path)
    assert files == ALL and list(files) == sorted(files)
    assert [archive["name"] for archive in origin["archives"]] == ["a/one.zip", "two.tar.gz"]
    assert origin["archives"][0]["sha256"] == sources.file_sha256(folder / "a" / "one.zip")
    assert origin["source"] == "shop" and str(tmp_path) not in str(origin)


def test_loose_files_are_recorded_as_sha256sum_lists_them(folder, tmp_path):
    (folder / "B.txt").write_bytes(b"")
    _, origin = read(folder, tmp_path)
    listed = "".join(f"{sources.file_sha256(folder / name)}  {name}\n" for name in ("B.txt", "a/loose.txt"))
    assert origin["loose"] == {"files": 2, "bytes": 5, "sha256": hashlib.sha256(listed.encode()).hexdigest()}
    assert "loose" not in read(folder, tmp_path / "again", only=["*.gz"])[1]


def test_an_archive_as_the_source(folder, tmp_path):
    files, origin = read(folder / "two.tar.gz", tmp_path)
    assert files == {"two.tar.gz/deep/one.zip/in/x": b"zipped"}
    assert origin["kind"] == "file" and len(origin["archives"]) == 1


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        (["a"], ["a/loose.txt", "a/one.zip/in/x"]),
        (["a/"], ["a/loose.txt", "a/one.zip/in/x"]),
        (["*.zip", "*.gz"], ["a/one.zip/in/x", "two.tar.gz/deep/one.zip/in/x"]),
        (["a/*.txt"], ["a/loose.txt"]),
        (["two.tar.gz/deep"], ["two.tar.gz/deep/one.zip/in/x"]),
        (["a/one.zip/in/*"], ["a/one.zip/in/x"]),
        (["a/loose.txt", "*.gz/*/one.zip/in"], ["a/loose.txt", "two.tar.gz/deep/one.zip/in/x"]),
    ],
)
def test_only_matching_files_are_imported(folder, tmp_path, only, expected):
    files, origin = read(folder, tmp_path, only=only)
    assert list(files) == expected and origin["only"] == only


@pytest.mark.parametrize("only", ["deep", "two.tar.gz/deep", "*/*/one.zip/in/x"])
def test_patterns_match_names_in_an_archive_with_or_without_the_archive(folder, tmp_path, only):
    assert list(read(folder / "two.tar.gz", tmp_path, only=[only])[0]) == ["two.tar.gz/deep/one.zip/in/x"]


@pytest.mark.parametrize("only", ["b", "a/one.zip/b", "*.tar"])
def test_a_pattern_that_nothing_matches_is_refused(folder, tmp_path, only):
    with pytest.raises(UserError, match="nothing in shop matches --only") as error:
        read(folder, tmp_path, only=[only])
    assert str(error.value).endswith(only)


def test_links_are_counted_and_an_unreadable_folder_is_named(folder, tmp_path, capsys, monkeypatch):
    (folder / "link").symlink_to("a/loose.txt")
    (folder / "folder link").symlink_to("a")
    assert read(folder, tmp_path)[0] == ALL
    assert "symbolic links, not imported: 2, such as folder link" in capsys.readouterr().out

    def closed(path, real=os.scandir):
        if str(path).endswith("/a"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(UserError, match="a cannot be read: Permission denied"):
        read(folder, tmp_path / "again")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a system with pipes in folders")
def test_links_and_pipes_are_not_followed(folder, tmp_path):
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "linked").symlink_to(folder.parent, target_is_directory=True)
    os.mkfifo(folder / "pipe")
    assert read(folder, tmp_path)[0] == ALL


@pytest.fixture
def repository(folder):
    """The folder as a repository: a tag on its first commit, a branch, and a file that is not committed."""
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "a")
    git(folder, "commit", "--quiet", "--message", "one")
    git(folder, "tag", "v1")
    git(folder, "checkout", "--quiet", "-b", "other")
    (folder / "a" / "loose.txt").write_bytes(b"other")
    git(folder, "commit", "--quiet", "--all", "--message", "two")
    git(folder, "checkout", "--quiet", "main")
    return folder


@pytest.mark.parametrize("rev", [None, "v1", "main", "other", "full"])
def test_a_repository_at_a_revision(repository, tmp_path, rev):
    commit = git(repository, "rev-parse", {None: "HEAD", "full": "other"}.get(rev, rev))
    files, origin = read(repository, tmp_path, rev=commit if rev == "full" else rev)
    assert files["a/loose.txt"] == (b"other" if rev in ("other", "full") else b"loose")
    assert files.keys() == {"a/loose.txt", "a/one.zip/in/x"}  # what is not committed is not there
    assert origin["revision"] == commit and origin["kind"] == "git"


def test_uncommitted_files_of_a_worktree_are_reported(repository, tmp_path, capsys):
    (repository / "a" / "loose.txt").write_bytes(b"labelled anew")
    read(repository, tmp_path / "all")
    assert (
        "the last commit is imported; not committed are 2 files, such as a/loose.txt: commit them"
        in capsys.readouterr().out
    )
    for number, (rev, only) in enumerate([("v1", ()), (None, ["a/one.zip"])]):
        read(repository, tmp_path / str(number), rev=rev, only=only)
        assert "committed" not in capsys.readouterr().out


def test_an_address_and_a_bare_repository(repository, tmp_path):
    git(repository, "clone", "--quiet", "--bare", ".", str(tmp_path / "bare"))
    for number, source in enumerate((repository.as_uri(), tmp_path / "bare")):
        files, origin = read(source, tmp_path / str(number))
        assert len(files) == 2 and origin["source"] in ("shop", "bare")


def test_an_empty_source_is_not_taken_for_this_folder(repository, tmp_path, monkeypatch):
    monkeypatch.chdir(repository)
    with pytest.raises(UserError, match="SOURCE is empty"):
        read("", tmp_path)


def test_hooks_and_links_of_a_repository_have_no_effect(repository, tmp_path, monkeypatch):
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "post-checkout").write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\n")
    (hooks / "post-checkout").chmod(0o755)
    settings = tmp_path / "settings"
    settings.write_text(f"[core]\n\thooksPath = {hooks}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    (repository / "a" / "link").symlink_to(tmp_path / "settings")
    git(repository, "add", "a/link")
    git(repository, "commit", "--quiet", "--message", "link")
    (tmp_path / "ran").unlink(missing_ok=True)
    files, _ = read(repository, tmp_path)
    assert not (tmp_path / "ran").exists()
    assert b"hooksPath" not in b"".join(files.values())


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n"


@pytest.mark.parametrize("name", ["a/x.jpg", "a/x.zip", "a/in.zip"])
def test_pointers_of_git_lfs_are_not_taken_for_files(folder, tmp_path, name):
    if name == "a/in.zip":
        with zipfile.ZipFile(folder / name, "w") as archive:
            archive.writestr("x.jpg", POINTER)
    else:
        (folder / name).write_bytes(POINTER)
    with pytest.raises(UserError, match=rf"1 of \d files, such as {name}.*of Git LFS.*git lfs pull"):
        read(folder, tmp_path)
    assert read(folder, tmp_path / "again", only=["two.tar.gz"])[0].keys() == {"two.tar.gz/deep/one.zip/in/x"}


def test_submodules_are_named(repository, tmp_path, capsys):
    git(repository, "-c", "protocol.file.allow=always", "submodule", "add", "--quiet", str(repository), "b/sub")
    git(repository, "commit", "--quiet", "--message", "with a submodule")
    files, origin = read(repository, tmp_path)
    assert files.keys() == {"a/loose.txt", "a/one.zip/in/x"}
    assert origin["submodules"] == ["b/sub"] and "b/sub" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("source", "rev", "message"),
    [
        ("shop", "v9", "no revision 'v9'"),
        ("shop", "--help", "no revision '--help'"),
        ("two.tar.gz", "v1", "--rev is for git repositories"),
        ("nowhere", None, "nowhere not found"),
        ("ext::sh -c id", None, "not found"),
        ("http://127.0.0.1:9/x.git", None, "could not clone"),
        ("ftp://127.0.0.1:9/x.git", None, "could not clone"),
        ("https://name:secret@127.0.0.1:9/x.git", None, "could not clone https://127.0.0.1:9/x.git"),
    ],
)
def test_other_sources_are_refused(repository, tmp_path, source, rev, message):
    path = repository.parent / source if source == "shop" else repository / source
    with pytest.raises(UserError) as error:
        sources.open_source(str(path) if path.exists() else source, rev, (), tmp_path / "work")
    assert message in str(error.value) and "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("../shared/apparel", "../shared/apparel"),
        ("https://name:secret@example.com/a/b.git", "https://example.com/a/b.git"),
        (
            "https://name:sec@ret@example.com:8443/a@b/c.git?private_token=secret",
            "https://example.com:8443/a@b/c.git?private_token=***",
        ),
        ("git@example.com:a/b.git", "git@example.com:a/b.git"),
        ("/home/someone/shop/", "shop"),
        ("C:\\Users\\someone\\shop.zip", "shop.zip"),
        ("file:///home/someone/shop", "shop"),
    ],
)
def test_no_absolute_path_and_no_password_is_recorded(source, expected):
    assert sources.source_address(source) == expected


@pytest.fixture
def bucket(folder, monkeypatch):
    """A bucket with the files of the folder; address of it."""
    address = f"{memory_bucket.make(monkeypatch)}/shop"
    memory_bucket.fill(address, folder)
    return address


def test_a_bucket_gives_what_a_folder_gives(bucket, folder, tmp_path):
    files, origin = read(f"{bucket}/", tmp_path)
    assert files == ALL and list(files) == sorted(files)
    _, of_folder = read(folder, tmp_path / "again")
    assert origin == of_folder | {"source": f"{bucket}/", "kind": "bucket"}
    assert sorted(path.name for path in (tmp_path / "work" / "fetched").iterdir()) == ["000000", "000001", "000002"]


def test_only_matching_files_are_fetched_from_a_bucket(bucket, tmp_path):
    files, _ = read(bucket, tmp_path, only=["a/one.zip/in"])
    assert list(files) == ["a/one.zip/in/x"]
    assert len(list((tmp_path / "work" / "fetched").iterdir())) == 1
    with pytest.raises(UserError, match=r"nothing in memory://.*/shop matches --only no"):
        read(bucket, tmp_path / "again", only=["no"])


def test_an_archive_in_a_bucket_as_the_source(bucket, tmp_path):
    files, origin = read(f"{bucket}/two.tar.gz", tmp_path, only=["deep"])
    assert files == {"two.tar.gz/deep/one.zip/in/x": b"zipped"}
    assert origin["archives"][0]["name"] == "two.tar.gz"


@pytest.mark.parametrize(
    ("suffix", "rev", "message"),
    [("/nothing", None, "nothing is stored at this address"), ("", "v1", "--rev is for git"), ("/../x", None, "is no")],
)
def test_a_bucket_that_cannot_be_a_source_is_refused(bucket, tmp_path, suffix, rev, message):
    with pytest.raises(UserError, match=message):
        read(f"{bucket}{suffix}", tmp_path, rev=rev)


def test_the_disk_has_room_before_anything_is_fetched(bucket, tmp_path, monkeypatch):
    def full(folder, size):
        raise UserError(f"no disk space: {size} bytes")

    monkeypatch.setattr(sources, "check_disk_space", full)
    with pytest.raises(UserError, match=r"no disk space: \d+ bytes"):
        read(bucket, tmp_path)
    assert list((tmp_path / "work" / "fetched").iterdir()) == []
