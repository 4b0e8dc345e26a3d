"""`python -m apparel COMMAND`: lists the modules of apparel/cli and calls one. Only the called one is imported."""

import argparse
import ast
import importlib
import sys
from pathlib import Path

from apparel import errors

COMMANDS = Path(__file__).parent / "cli"


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
