"""`apparel inspect`: classes, boxes, anchors and duplicates of a data set, before training."""

import argparse
from pathlib import Path

from apparel import paths
from apparel.cli.arguments import add_runner, path_or_address
from apparel.errors import UserError, plain

EXAMPLES = """examples:
  apparel inspect shop                       prints a table, and writes a page with pictures
  apparel inspect shop --html shop.html      writes the page to shop.html

Nothing is changed. The page is one file and needs no network."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the data set's name and where the page goes."""
    parser.epilog = EXAMPLES
    parser.add_argument("name", metavar="NAME", help="a folder under data/")
    parser.add_argument(
        "--html",
        metavar="PATH",
        type=path_or_address,
        help="path or gs://… of the page (default: .apparel/inspect/NAME.html)",
    )
    add_runner(parser)


def main(arguments: argparse.Namespace) -> None:
    """Prints the findings and writes the page.

    Raises:
        UserError: there is no such data set, nothing in it can be read, or the runner is refused.
    """
    from apparel import params
    from apparel.analysis import inspect_data, inspect_page
    from apparel.utils import beam, buckets, files

    if buckets.ADDRESS.match(arguments.name):
        raise UserError(f"NAME is a folder under data/; `apparel import {plain(arguments.name)} --name NAME` makes one")
    name = params.parse_name(arguments.name, "NAME")
    beam.ask(arguments.runner, arguments.runner_option)
    inspection = inspect_data.inspect(name, params.load())
    print(inspect_page.terminal_text(inspection))
    page = arguments.html if isinstance(arguments.html, Path) else paths.LOCAL / "inspect" / f"{name}.html"
    files.write_text(page, inspect_page.render_page(inspection))
    if isinstance(arguments.html, str):
        buckets.upload(page, arguments.html)
    print(f"pictures and more: {arguments.html or page}")
