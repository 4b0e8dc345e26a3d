"""Addresses of MLflow servers, and the names that MLflow accepts."""

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apparel.errors import UserError
from apparel.tracking.server import clean_name, tracking_uri, without_password


@pytest.mark.parametrize("name", ["test/AP50/Pants_Leggings", "train/loss", "val/mAP50", "mlflow.source.git.commit"])
def test_good_names_stay(name):
    assert clean_name(name) == name


def test_a_cleaned_file_keeps_its_ending():
    assert clean_name("IMG #1.png").endswith(".png")


@given(st.lists(st.text(max_size=300), min_size=2, max_size=2, unique=True))
def test_two_names_never_become_one(names):
    one, other = map(clean_name, names)
    assert one != other


@pytest.mark.parametrize(
    "pair", [("T-shirts & tops", "T-shirts # tops"), ("a//b", "a/b"), ("", "_"), ("x" * 300, "x" * 301)]
)
def test_names_that_look_alike_once_cleaned_stay_apart(pair):
    assert clean_name(pair[0]) != clean_name(pair[1])


def test_a_password_is_not_shown():
    assert without_password("https://me:secret@host:5000/x") == "https://host:5000/x"


@pytest.mark.parametrize("address", ["localhost:5000", "server.example:80/", "http://", "https:/"])
def test_an_address_that_could_never_be_reached_is_refused_before_anything_waits_for_it(monkeypatch, address):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(UserError, match="MLFLOW_TRACKING_URI is"):
        tracking_uri()


@pytest.mark.parametrize(
    "address", ["http://localhost:5000", "sqlite:///mlflow.db", "./mlruns", "file:///a", "databricks"]
)
def test_addresses_are_left_as_they_are(monkeypatch, address):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    assert tracking_uri() == address


@given(name=st.text(max_size=300))
def test_mlflow_takes_every_cleaned_name(name):
    from mlflow.store.artifact.artifact_repo import verify_artifact_path
    from mlflow.utils.validation import _validate_metric_name, _validate_tag_name

    cleaned = clean_name(name)
    _validate_metric_name(cleaned)
    _validate_tag_name(cleaned)
    verify_artifact_path(cleaned)
    assert len(posixpath.basename(cleaned)) > 0
