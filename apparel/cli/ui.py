"""`python -m apparel ui`: opens MLflow on the runs of this project."""

import argparse
import os
import re
import signal
import socket
import subprocess
import sys

from apparel.errors import UserError
from apparel.tracking import ui_view
from apparel.tracking.server import connect, tracking_uri, without_password


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.description = (
        "Shows the project's runs, which are in mlflow.db and mlartifacts/, in the browser until Ctrl-C.\n"
        "When MLFLOW_TRACKING_URI names a server, says where that is instead."
    )
    parser.epilog = "example: python -m apparel ui --port 5001"
    parser.add_argument("--port", type=int, default=5000, help="default 5000")
    parser.add_argument("--host", default="127.0.0.1", help="default 127.0.0.1, this machine only")


def main(arguments: argparse.Namespace) -> None:
    """Serves until interrupted.

    Raises:
        UserError: the port is taken, or MLflow ends by itself.
    """
    server = tracking_uri()
    if re.match("https?:", server):
        print(f"MLflow is at {without_password(server)}")
        return
    check_free(arguments.host, arguments.port)
    client = connect(server)  # makes the store when there is none yet, in a way that survives Ctrl-C
    page = f"http://{arguments.host}:{arguments.port}/#{ui_view.share_view(client)}"
    print(f"{page}\nanswers in about 15 seconds; Ctrl-C ends it", flush=True)
    options = ["--backend-store-uri", server, "--host", arguments.host, "--port", str(arguments.port)]
    options += ["--workers", "1", "--uvicorn-opts", "--log-level warning"]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_LOGGING_LEVEL": "WARNING", "PYTHONWARNINGS": "ignore"}
    # Job execution starts seven more processes, for features that nothing here uses.
    environment = {**quiet, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **os.environ}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that MLflow is ended as well
    with subprocess.Popen([sys.executable, "-m", "mlflow", "server", *options], env=environment) as process:
        try:
            process.wait()
        except KeyboardInterrupt:
            return
        finally:
            process.terminate()
    if process.returncode:
        raise UserError(f"MLflow ended with status {process.returncode}; its last lines above say why")


def check_free(host: str, port: int) -> None:
    """Raises a `UserError` when nothing can be served there."""
    try:
        with socket.create_server((host, port)):
            pass
    except (OSError, OverflowError) as error:
        raise UserError(f"{host}:{port} can't be served on ({error}); choose another with --port") from None
