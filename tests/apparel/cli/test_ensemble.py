"""`apparel ensemble`: arguments that do not go together."""

import argparse

import pytest

from apparel import paths
from apparel.cli import ensemble
from apparel.data import index
from apparel.errors import UserError
from tests.support.repository import ROOT


def run(*words):
    parser = argparse.ArgumentParser()
    ensemble.add_arguments(parser)
    ensemble.main(parser.parse_args(words))


def test_options_are_for_one_of_the_two():
    with pytest.raises(UserError, match="--crossval is for `apparel ensemble fit`"):
        run("eval", "two", "--crossval", "a")
    with pytest.raises(UserError, match="weights are never chosen on test"):
        run("fit", "two", "--split", "test")


def test_a_missing_ensemble_is_named_before_anything_is_loaded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / paths.PARAMS).write_bytes((ROOT / paths.PARAMS).read_bytes())
    monkeypatch.setattr(index, "read_index", lambda folder: None)
    with pytest.raises(UserError, match="there is no ensemble 'two' in configs/ensembles; there are: none"):
        run("eval", "two")
