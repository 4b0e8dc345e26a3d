"""`apparel ui`: opens MLflow on the runs of this project."""

import argparse
import re

from apparel.cli.arguments import check_port_free
from apparel.tracking.reader import mlflow_errors
from apparel.tracking.server import connect, serve, server_address, tracking_uri


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.description = (
        "Shows the project's runs, which are in mlflow.db and mlartifacts/, in the browser until Ctrl-C.\n"
        "When MLFLOW_TRACKING_URI names a server, prints its address instead."
    )
    parser.epilog = "example: apparel ui --port 5001"
    parser.add_argument("--port", type=int, default=5000, help="default 5000")
    parser.add_argument("--host", default="127.0.0.1", help="default 127.0.0.1, this machine only")


def main(arguments: argparse.Namespace) -> None:
    """Serves until interrupted.

    Raises:
        UserError: the port is in use, or MLflow fails.
    """
    uri = tracking_uri()
    if re.match("https?:", uri):
        print(f"MLflow is at {server_address()}")
        return
    check_port_free(arguments.host, arguments.port)
    from apparel.tracking import ui_view  # not for `--help`: it imports pandas

    with mlflow_errors():
        # Creates a missing database, and Ctrl-C leaves no half-made one, which MLflow's server would.
        client = connect(uri)
        page = f"http://{arguments.host}:{arguments.port}/#{ui_view.share_view(client)}"
    print(f"{page}\nanswers in about 15 seconds; Ctrl-C ends it", flush=True)
    serve(uri, arguments.host, arguments.port)
