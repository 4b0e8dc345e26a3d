"""`apparel trace`: what a result was made from, and whether all of that still exists unchanged."""

import argparse
import json
import sys

from apparel.errors import UserError
from apparel.utils import terminal

EXAMPLES = """examples:
  apparel trace data/results/eval/detections.csv
  apparel trace ~/received/model            a copy anywhere, in a bucket, too: found by its content
  apparel trace six                         an experiment; or a commit, or an MLflow run's id or name
  apparel trace data/results/eval/metrics.json --json

Each file is hashed again and compared with dvc.lock, parameters and code are compared with the commits, and each commit
and each run is looked up. The exit status is 1 when a link is broken or missing; each says what to do. Nothing is
changed, fetched or run. Parameters and code that were edited for the next run break nothing: git has the former."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.epilog = EXAMPLES
    parser.add_argument("what", metavar="WHAT", help="a file or folder, an MLflow run, an experiment or a commit")
    parser.add_argument("--json", action="store_true", help="print JSON, with the hash of each photo")
    parser.add_argument("--files", action="store_true", help="list the files of each folder with their hashes")


def main(arguments: argparse.Namespace) -> None:
    """Prints the chain.

    Raises:
        UserError: a link is broken, or WHAT is not found.
    """
    from apparel.analysis import trace, trace_text
    from apparel.utils import bucket_files

    try:
        with bucket_files.at_hand(arguments.what) as what:
            chain = trace.trace(what)
        chain.what = arguments.what
    except UserError as error:
        if arguments.json:
            print(json.dumps({"what": arguments.what, "whole": False, "error": str(error)}, indent=2))
        raise
    colours = terminal.has_colours(sys.stdout)
    print(trace_text.as_json(chain) if arguments.json else trace_text.as_text(chain, arguments.files, colours))
    if chain.broken:
        count = len(chain.broken)
        raise UserError(f"{count} {'link is' if count == 1 else 'links are'} broken or missing; each says what to do")
