"""`apparel dashboard`: serve optuna-dashboard on the studies of sweeps."""

import argparse
from pathlib import Path

from apparel.cli.arguments import check_port_free
from apparel.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    from apparel.sweeps import storage

    parser.description = "Shows the studies of a storage in the browser, until Ctrl-C."
    parser.epilog = "example: apparel dashboard --storage postgresql://me@db/sweeps --port 8081"
    address_help = f"address of the database (default: the variable {storage.VARIABLE}, else {storage.LOCAL})"
    parser.add_argument("--storage", default=storage.default_address(), help=address_help)
    parser.add_argument("--port", type=int, default=8080, help="default 8080")
    parser.add_argument("--host", default="127.0.0.1", help="default 127.0.0.1, this machine only")


def main(arguments: argparse.Namespace) -> None:
    """Serves the dashboard until it is interrupted.

    Raises:
        UserError: there is no database of studies, or the port is in use.
    """
    from apparel.sweeps import storage

    address = arguments.storage
    if address.startswith("grpc://"):
        raise UserError("the dashboard reads the database itself: give its address, not that of the proxy")
    file = Path(address.removeprefix("sqlite:///"))
    if address.startswith("sqlite:///") and not file.exists():
        raise UserError(f"{file} not found: no sweep has run here; `apparel sweep` creates it")
    check_port_free(arguments.host, arguments.port)
    storage.open_storage(address)  # raises an error that names what is wrong with the address
    import optuna_dashboard

    print(f"http://{arguments.host}:{arguments.port}/dashboard; Ctrl-C ends it", flush=True)
    optuna_dashboard.run_server(address, host=arguments.host, port=arguments.port)
