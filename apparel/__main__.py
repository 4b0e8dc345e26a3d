"""`apparel COMMAND`, or `python -m apparel COMMAND`: calls a module of apparel/cli and imports no other."""

import argparse
import importlib.util
import os
import runpy
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

from apparel import cli, errors, paths

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def overview() -> str:
    """What `apparel --help` prints."""
    width = max(map(len, cli.COMMANDS))
    lines = [f"  {name:<{width}}  {summary}" for name, (_, summary) in cli.COMMANDS.items()]
    usage = ["usage: apparel COMMAND ...", "       apparel --version"]
    advice = "`apparel COMMAND --help` explains one; `dvc repro` runs the pipeline."
    return "\n".join([*usage, "", "commands:", *lines, "", advice])


def version() -> str:
    """The version of this copy of the project. The package's metadata would name the copy that is installed."""
    return tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["version"]


def console() -> None:
    """Run `apparel` as `python -m apparel`, with the code of the project around the working directory.

    A sweep's worker or a second clone may share the environment, and a command line must run the code that lies beside
    its data. Where there is no project, the installed one answers `--help` and `--version`.
    """
    sys.path.insert(0, str(paths.project_root() or Path.cwd()))
    for module in [name for name in sys.modules if name.partition(".")[0] == "apparel"]:
        del sys.modules[module]
    runpy.run_module("apparel", run_name="__main__", alter_sys=True)


def main() -> None:
    """Runs the command named by the first argument.

    Raises:
        UserError: there is no such command; names the nearest.
    """
    name, *rest = sys.argv[1:] or ["--help"]
    if name == "help" and rest:
        name, rest = rest[0], ["--help"]
    if name in ("-h", "--help", "help"):
        print(overview())
        return
    if name == "--version":
        print(f"apparel {version()}")
        return
    if name not in cli.COMMANDS:
        raise errors.UserError(f"there is no command '{name}'{errors.nearest(name, list(cli.COMMANDS))}")
    if name in cli.ANYWHERE and (root := paths.project_root()):
        os.chdir(root)
    parser = argparse.ArgumentParser(prog=f"apparel {name}")
    command = cli.configure(parser, name)
    command.main(parser.parse_args(rest))


def installed(command: Callable[[], None]) -> None:
    """Calls a command.

    Raises:
        UserError: this Python has none of the project's packages.
    """
    try:
        command()
    except ModuleNotFoundError as error:
        if importlib.util.find_spec("dvc"):
            raise
        raise errors.UserError(
            f"{sys.executable} does not have the package {error.name}: `make setup` installs all, and "
            "`source .venv/bin/activate` takes that Python"
        ) from None


if __name__ == "__main__":
    errors.run(lambda: installed(main))
