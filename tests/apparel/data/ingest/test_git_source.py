import hashlib
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from apparel.data.ingest import git_source, sources
from apparel.errors import UserError
from apparel.utils import limits
from tests.support.repository import ROOT
from tests.support.servers import wait_for

AUTHOR = {f"GIT_{who}_{what}": "a@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def git(folder, *arguments, data=None):
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], check=True, capture_output=True, input=data, env=os.environ | AUTHOR
    )
    return done.stdout.decode().strip()


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "shop"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    return folder


def store(folder, kind, data):
    """Adds an object and returns its hash."""
    return git(folder, "hash-object", "-w", "-t", kind, "--literally", "--stdin", data=data)


def tree(folder, entries):
    """Adds a tree of (mode, name, hash)."""
    return store(
        folder, "tree", b"".join(f"{mode} {name}\0".encode() + bytes.fromhex(oid) for mode, name, oid in entries)
    )


def commit_tree(folder, oid):
    git(folder, "update-ref", "refs/heads/main", git(folder, "commit-tree", oid, "-m", "one"))


def multiplied(folder, content, levels, width=10):
    """A tree whose entries are all the same tree, and so on: `width ** levels` files of a few hundred bytes."""
    oid, mode = content, "100644"
    for _ in range(levels):
        oid, mode = tree(folder, [(mode, f"{number:02}", oid) for number in range(width)]), "40000"
    return oid


def read(source, tmp_path, only=()):
    opened = sources.open_source(str(source), None, only, tmp_path / "work")
    return {entry.name: entry.path.read_bytes() for entry in opened.entries}


@contextmanager
def served(folder):
    """The address of a git server for the repositories in a folder."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["git", "daemon", "--export-all", "--reuseaddr", f"--port={port}", f"--base-path={folder}"]
    with subprocess.Popen([*command, "--listen=127.0.0.1", str(folder)], stderr=subprocess.DEVNULL) as server:
        try:
            wait_for(lambda: is_open(port))
            yield f"git://127.0.0.1:{port}"
        finally:
            for process in (*psutil.Process(server.pid).children(recursive=True), server):
                process.kill()


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("content", ["files", "folders"])
def test_a_repository_of_a_billion_files_is_refused_at_the_limit(repository, tmp_path, monkeypatch, content):
    monkeypatch.setattr(limits, "MAX_FILES", 5000)
    blob = store(repository, "blob", b"x") if content == "files" else None
    leaf = multiplied(repository, blob, 1) if blob else tree(repository, [])
    oid = leaf
    for _ in range(8):
        oid = tree(repository, [("40000", f"{number:02}", oid) for number in range(10)])
    commit_tree(repository, oid)
    with pytest.raises(UserError, match="more than 5,000 files and folders"):
        read(repository, tmp_path)
    assert len(list((tmp_path / "work").rglob("*"))) < 100


@pytest.mark.parametrize(
    ("name", "levels", "message"),
    [("a" * 200, 6, "a name of more than 1,000 bytes"), ("a", 101, "below more than 100 folders")],
)
def test_names_that_are_too_long_or_too_deep_are_refused(repository, tmp_path, name, levels, message):
    oid = store(repository, "blob", b"x")
    mode = "100644"
    for _ in range(levels + 1):
        oid, mode = tree(repository, [(mode, name, oid)]), "40000"
    commit_tree(repository, oid)
    with pytest.raises(UserError, match=message):
        read(repository, tmp_path)


def test_one_content_under_many_names_is_a_bomb(repository, tmp_path):
    commit_tree(repository, multiplied(repository, store(repository, "blob", bytes(100_000)), 2, width=15))
    with pytest.raises(UserError, match="unpacks to over 200 times its size"):
        read(repository, tmp_path)
    assert not (tmp_path / "work" / "files").exists()


def test_a_file_too_large_for_a_data_set_is_refused_unless_it_is_not_wanted(repository, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_FILE_BYTES", 1000)
    (repository / "film.mov").write_bytes(bytes(1001))
    (repository / "a.txt").write_bytes(b"x")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "one")
    with pytest.raises(UserError, match=r"film\.mov is larger than .* --only"):
        read(repository, tmp_path)
    assert read(repository, tmp_path / "again", only=["*.txt"]) == {"a.txt": b"x"}


@pytest.fixture
def large(repository):
    """A repository with a file of 3 MB that does not shrink, beside a small one."""
    noise = b"".join(hashlib.sha256(str(number).encode()).digest() for number in range(100_000))
    (repository / "film.mov").write_bytes(noise)
    (repository / "a.txt").write_bytes(b"x")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "one")
    return repository


def test_a_large_file_is_not_fetched_from_a_server_that_can_leave_it_out(large, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_FILE_BYTES", 1_000_000)
    git(large, "config", "uploadpack.allowFilter", "true")
    with served(tmp_path) as address:
        assert read(f"{address}/shop", tmp_path, only=["*.txt"]) == {"a.txt": b"x"}
        assert git_source._bytes_below(tmp_path / "work" / "clone") < 100_000
        with pytest.raises(UserError, match=r"film\.mov is larger than 1 MB"):
            read(f"{address}/shop", tmp_path / "again")
        assert git_source._bytes_below(tmp_path / "again") < 100_000  # nor later, when its size is asked for


def test_fetching_ends_at_the_limit(large, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_FETCHED_BYTES", 1_000_000)
    monkeypatch.setattr(git_source, "SECONDS_BETWEEN_LOOKS", 0)
    slow = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "pack.compression", "GIT_CONFIG_VALUE_0": "0"}
    for name, value in slow.items():
        monkeypatch.setenv(name, value)
    others = psutil.Process().children(recursive=True)  # of earlier tests
    with served(tmp_path) as address, pytest.raises(UserError, match="sends more than 1 MB, the limit"):
        read(f"{address}/shop", tmp_path)
    assert set(psutil.Process().children(recursive=True)) <= set(others)


HOSTILE = """
[core]
    fsmonitor = "touch {ran}"
    hooksPath = {hooks}
    sshCommand = "touch {ran}"
    pager = "touch {ran}"
    alternateRefsCommand = "touch {ran}"
[filter "lfs"]
    smudge = "touch {ran}; cat"
    process = "touch {ran}"
    required = true
[uploadpack]
    packObjectsHook = "touch {ran}"
[diff]
    external = "touch {ran}"
[credential]
    helper = "!touch {ran}"
"""


@pytest.mark.skipif(os.name != "posix", reason="the commands are a POSIX shell's")
@pytest.mark.parametrize("address", ["path", "file:", "git:"])
def test_nothing_that_a_repository_names_is_run_linked_or_converted(repository, tmp_path, address, capsys):
    ran, hooks = tmp_path / "ran", repository / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for hook in ("post-checkout", "post-index-change", "reference-transaction", "pre-auto-gc", "post-merge"):
        (hooks / hook).write_text(f"#!/bin/sh\ntouch {ran}\n")
        (hooks / hook).chmod(0o755)
    blobs = {
        ".gitattributes": b"* filter=lfs\n*.txt text eol=crlf ident working-tree-encoding=UTF-16\n",
        ".lfsconfig": b"[lfs]\n\turl = https://127.0.0.1:9/\n",
        ".gitmodules": b'[submodule "sub"]\n\tpath = sub\n\turl = ext::sh -c "touch ran"\n\tupdate = !touch ran\n',
        "a.txt": b"$Id$\n",
        "GIT~1": b"x",
    }
    entries = [("100644", name, store(repository, "blob", data)) for name, data in blobs.items()]
    entries += [
        ("120000", "link", store(repository, "blob", b"/etc/passwd")),
        ("160000", "sub", "1" * 40),
        ("40000", "..", tree(repository, [("100644", "escaped", entries[3][2])])),
    ]
    commit_tree(repository, tree(repository, sorted(entries, key=lambda entry: entry[1])))
    (repository / ".git" / "config").open("a").write(HOSTILE.format(ran=ran, hooks=hooks))
    ran.unlink(missing_ok=True)
    with served(tmp_path) as server:
        source = {"path": repository, "file:": repository.as_uri(), "git:": f"{server}/shop"}[address]
        assert read(source, tmp_path) == {"a.txt": b"$Id$\n", "GIT~1": b"x"}
    assert not ran.exists() and not (tmp_path / "work" / "escaped").exists()
    printed = capsys.readouterr().out
    assert "submodules, not imported" in printed and "symbolic links, not imported: 1, such as link" in printed


IMPORT = (
    "from apparel.data.ingest import sources; sources.open_source({!r}, None, (), __import__('pathlib').Path({!r}))"
)


@pytest.mark.skipif(sys.platform == "win32", reason="ends processes by POSIX signals")
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_an_import_that_is_killed_while_a_server_keeps_it_waiting_leaves_no_process(tmp_path, ending):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"git://127.0.0.1:{silent.getsockname()[1]}/shop"
        program = IMPORT.format(address, str(tmp_path / "work"))
        with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stderr=subprocess.DEVNULL) as importing:
            wait_for(lambda: len(psutil.Process(importing.pid).children(recursive=True)) >= 2)
            silent.accept()
            family = psutil.Process(importing.pid).children(recursive=True)
            importing.send_signal(ending)
            importing.wait()
        _, alive = psutil.wait_procs(family, timeout=60)
    assert not alive


def test_a_damaged_repository_is_named(repository, tmp_path):
    (repository / "a.txt").write_bytes(b"x" * 100)
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "one")
    oid = git(repository, "rev-parse", "HEAD:a.txt")
    Path(repository, ".git", "objects", oid[:2], oid[2:]).unlink()
    with pytest.raises(UserError, match=r"a\.txt is larger than .* or the repository lacks it"):
        read(repository, tmp_path)
