"""`python -m apparel inspect`: a data set looked at before anything is trained on it."""

import argparse
from pathlib import Path

from apparel import paths

EXAMPLES = """examples:
  python -m apparel inspect shop                       a table here, and a page with pictures
  python -m apparel inspect shop --html shop.html      the page goes there

Nothing is changed. The page is one file and needs no network."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the data set's name and where the page goes."""
    parser.epilog = EXAMPLES
    parser.add_argument("name", metavar="NAME", help="a folder under data/")
    parser.add_argument(
        "--html", metavar="PATH", type=Path, help="where the page goes (default: .apparel/inspect/NAME.html)"
    )


def main(arguments: argparse.Namespace) -> None:
    """Prints what is found and writes the page.

    Raises:
        UserError: there is no such data set, or nothing in it can be read.
    """
    from apparel import params
    from apparel.analysis import inspect_data, inspect_page
    from apparel.utils import files

    name = params.parse_name(arguments.name, "NAME")
    found = inspect_data.inspect(name, params.load())
    print(inspect_page.terminal_text(found))
    page = arguments.html or paths.LOCAL / "inspect" / f"{name}.html"
    files.write_text(page, inspect_page.render_page(found))
    print(f"pictures and more: {page}")
