"""`apparel promote` as a command: `tests/apparel/analysis/test_promotion_run.py` runs it."""

import argparse

from apparel import cli


def test_arguments():
    parser = argparse.ArgumentParser()
    cli.configure(parser, "promote")
    arguments = parser.parse_args(["larger", "--force", "--reason", "why", "--dry-run"])
    assert (arguments.run, arguments.force, arguments.reason, arguments.dry_run) == ("larger", True, "why", True)
