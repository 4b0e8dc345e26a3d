"""`python -m apparel trace`: what a result was made from, and whether it is all still there."""

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from apparel.errors import UserError, plain

if TYPE_CHECKING:
    from apparel.analysis.trace import Chain
    from apparel.analysis.trace_link import Link

EXAMPLES = """examples:
  python -m apparel trace data/results/eval/detections.csv
  python -m apparel trace ~/received/model            a copy, wherever it lies: found by its content
  python -m apparel trace six                         an experiment; or a commit, or an MLflow run's id or name
  python -m apparel trace data/results/eval/metrics.json --json

Each file is hashed again and held against dvc.lock, parameters and code against the commits, each commit and each run
is looked up. The exit status is 1 when a link is broken or missing; it is named with what to do. Nothing is changed,
fetched or run. Parameters and code that were edited for the next run break nothing: those that ran are in git."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.epilog = EXAMPLES
    parser.add_argument("what", metavar="WHAT", help="a file or folder, an MLflow run, an experiment or a commit")
    parser.add_argument("--json", action="store_true", help="everything for programs, the hash of each photo included")
    parser.add_argument("--files", action="store_true", help="list the files of each folder with their hashes")


def main(arguments: argparse.Namespace) -> None:
    """Prints the chain.

    Raises:
        UserError: a link is broken, or nothing is known of what was named.
    """
    from apparel.analysis import trace

    try:
        chain = trace.trace(arguments.what)
    except UserError as error:
        if arguments.json:
            print(json.dumps({"what": arguments.what, "whole": False, "error": str(error)}, indent=2))
        raise
    print(as_json(chain) if arguments.json else as_text(chain, arguments.files))
    if chain.broken:
        count = len(chain.broken)
        raise UserError(f"{count} {'link is' if count == 1 else 'links are'} broken or missing; each says what to do")


def as_json(chain: "Chain") -> str:
    """The chain as one JSON object."""
    return json.dumps(asdict(chain) | {"whole": not chain.broken}, indent=2, default=str)


def as_text(chain: "Chain", files: bool = False) -> str:
    """The chain for the terminal."""
    origin = f"made by {chain.stage}" + (f" in experiment {chain.experiment}" if chain.experiment else "")
    lines = [f"{plain(chain.what)}: {origin}", ""]
    for link in chain.links:
        lines += _lines(link, files)
    for title, values in (
        ("parameters", chain.parameters),
        ("packages", chain.packages),
        ("machine", chain.machine),
    ):
        if values:
            width = max(map(len, values))
            lines += ["", title, *(f"  {name:<{width}}  {value}" for name, value in values.items())]
    return "\n".join(line if line.isprintable() else plain(line) for line in lines)


def _lines(link: "Link", files: bool) -> list[str]:
    many = f" ({len(link.files):,} files)" if link.files and link.kind != "code" else ""
    state = link.where if not link.problem else "BROKEN" if link.value else "MISSING"
    lines = [f"{link.kind:<17}{state:<11}{link.name}{many}  {link.value}".rstrip()]
    if link.problem:
        lines.append(f"{'':<17}{link.problem}")
    if files:
        lines += [f"{'':<28}{md5}  {name}" for name, md5 in link.files.items()]
    return lines
