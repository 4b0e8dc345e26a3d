"""DVC's default remote: what a job learns of it."""

import shutil

import pytest

from apparel.cloud import dvc_remote
from apparel.errors import UserError


@pytest.fixture
def configure(tmp_path, monkeypatch):
    """Writes DVC's settings of an empty project, which is the current folder."""
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)

    def write(text: str, local: str = "") -> None:
        (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    remote = storage\n" + text)
        (tmp_path / ".dvc" / "config.local").write_text(local)

    return write


def test_address_and_plain_options_without_passwords(configure):
    local = "['remote \"storage\"']\n    secret_access_key = word\n    endpointurl = http://127.0.0.1:1\n"
    configure("['remote \"storage\"']\n    url = s3://bucket/dvc\n    region = eu\n", local)
    remote = dvc_remote.default_remote()
    assert remote.options == {"url": "s3://bucket/dvc", "endpointurl": "http://127.0.0.1:1", "region": "eu"}
    assert (remote.address, remote.is_here_only) == ("s3://bucket/dvc", False)


def test_a_folder_is_here_only(configure, tmp_path):
    configure("['remote \"storage\"']\n    url = ../storage\n")
    remote = dvc_remote.default_remote()
    assert remote.address == (tmp_path / "storage").as_uri()
    assert remote.is_here_only


def test_a_user_is_no_password(configure):
    configure("['remote \"storage\"']\n    url = ssh://me@host/dvc\n")
    assert dvc_remote.default_remote().options["url"] == "ssh://me@host/dvc"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no default remote, .*dvc remote add --default"),
        ("['remote \"storage\"']\n    url = ssh://me:word@host/dvc\n", "holds a password.*--local"),
        ("[remote\n", "DVC's settings cannot be read"),
    ],
)
def test_what_is_missing_or_secret_names_the_remedy(configure, text, said):
    configure(text)
    with pytest.raises(UserError, match=said) as error:
        dvc_remote.default_remote()
    assert "me:word" not in str(error.value)


@pytest.fixture
def added(tmp_path, monkeypatch):
    """A project with photos that `dvc add` tracks and that are in its remote."""
    from dvc.repo import Repo

    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.jpg").write_bytes(b"one")
    with Repo.init(no_scm=True) as repo:
        with repo.config.edit() as settings:
            settings["remote"]["storage"] = {"url": str(tmp_path / "storage")}
            settings["core"]["remote"] = "storage"
        repo.add("photos")
    with Repo() as repo:
        repo.push()
    return tmp_path


def test_data_as_dvc_knows_them_go_out_from_a_clone_without_them_too(added):
    dvc_remote.check_data()
    shutil.rmtree(added / "photos")
    shutil.rmtree(added / ".dvc" / "cache")
    dvc_remote.check_data()


def test_data_that_changed_are_not_left_out_in_silence(added):
    (added / "photos" / "two.jpg").write_bytes(b"two")
    with pytest.raises(UserError, match=r"photos changed since DVC took it up.*`dvc add` takes up the change"):
        dvc_remote.check_data()
    (added / "photos" / "two.jpg").unlink()
    (added / "photos" / "one.jpg").unlink()
    (added / "photos" / "one.jpg").write_bytes(b"other")
    with pytest.raises(UserError, match="photos changed since DVC took it up"):
        dvc_remote.check_data()


def test_data_that_are_nowhere_stop_a_job_before_it_costs_money(added):
    shutil.rmtree(added / "photos")
    shutil.rmtree(added / "storage")
    dvc_remote.check_data()  # they are in the cache, from where they are sent
    shutil.rmtree(added / ".dvc" / "cache")
    with pytest.raises(UserError, match="photos is neither in DVC's cache here nor in its remote 'storage'"):
        dvc_remote.check_data()
