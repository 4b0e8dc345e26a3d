"""`python -m apparel COMMAND`: lists the modules of apparel/cli and calls one. Only the called one is imported."""

import argparse
import ast
import importlib
import runpy
import sys
import tomllib
from pathlib import Path

from apparel import errors

COMMANDS = Path(__file__).parent / "cli"
PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def commands() -> dict[str, str]:
    """Module by command. `import` and `inspect` are taken in Python, so those modules' names end in `_data`."""
    modules = sorted(path.stem for path in COMMANDS.glob("[a-z]*.py"))
    return {module.removesuffix("_data").replace("_", "-"): module for module in modules}


def summary(module: str) -> str:
    """The module's `HELP`, read from its source: importing every command to list them would take seconds."""
    for node in ast.parse((COMMANDS / f"{module}.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "HELP":
            return ast.literal_eval(node.value)
    raise AssertionError(f"{module}.py has no HELP")


def overview() -> str:
    """What `python -m apparel --help` prints."""
    known = commands()
    lines = [f"  {name:<{max(map(len, known))}}  {summary(module)}" for name, module in known.items()]
    return "\n".join(
        ["usage: python -m apparel COMMAND ...", "", "commands:", *lines, ""]
        + ["`python -m apparel COMMAND --help` explains one; `dvc repro` runs the pipeline."]
    )


def version() -> str:
    """The version of this copy of the project. The package's metadata would name the copy that is installed."""
    return tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["version"]


def console() -> None:
    """Run `apparel` as `python -m apparel`, with the code of the project in the working directory.

    A sweep's worker or a second clone may share the environment, and a command line must run the code that lies beside
    its data. Where there is no project, the installed one answers `--help` and `--version`.
    """
    sys.path.insert(0, str(Path.cwd()))
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
    known = commands()
    if name not in known:
        raise errors.UserError(f"there is no command '{name}'{errors.nearest(name, list(known))}")
    command = importlib.import_module(f"apparel.cli.{known[name]}")
    parser = argparse.ArgumentParser(
        prog=f"python -m apparel {name}",
        description=command.HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(parser)
    command.main(parser.parse_args(rest))


if __name__ == "__main__":
    errors.run(main)
