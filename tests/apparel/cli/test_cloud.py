"""`apparel cloud`: its subcommands. Each has its tests in test_cloud_submit.py and test_cloud_jobs.py."""

import argparse

import pytest

from apparel import cli


def test_it_has_six_subcommands_and_needs_one(capsys):
    parser = argparse.ArgumentParser(prog="apparel cloud")
    cli.configure(parser, "cloud")
    for command in ("submit", "prepare", "jobs", "logs", "cancel", "fetch"):
        with pytest.raises(SystemExit) as end:
            parser.parse_args([command, "--help"])
        assert end.value.code == 0
        assert f"usage: apparel cloud {command} " in capsys.readouterr().out
    with pytest.raises(SystemExit) as end:
        parser.parse_args([])
    assert end.value.code == 2
    assert "required: COMMAND" in capsys.readouterr().err
