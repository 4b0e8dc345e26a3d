"""`apparel completion`: a script that completes commands, options and file names in a shell."""

import argparse
from pathlib import Path

from apparel import cli
from apparel.cli.arguments import local_path, path_or_address

EXAMPLES = """examples:
  apparel completion bash > ~/.local/share/bash-completion/completions/apparel
  apparel completion zsh > ~/.zfunc/_apparel       with `fpath+=~/.zfunc` in ~/.zshrc, before `compinit`

A new shell then completes `apparel`, the command that `make setup` installs."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the shell's name."""
    parser.epilog = EXAMPLES
    parser.add_argument("shell", choices=("bash", "zsh"), help="the shell that is to read the script")


def main(arguments: argparse.Namespace) -> None:
    """Print the script."""
    import shtab

    print(shtab.complete(all_commands(), shell=arguments.shell))


def all_commands() -> argparse.ArgumentParser:
    """One parser with every command as a subcommand, for shtab; imports neither TensorFlow nor MLflow."""
    import shtab

    parser = argparse.ArgumentParser(prog="apparel")
    parser.add_argument("--version", action="store_true", help="print the version")
    subparsers = parser.add_subparsers()
    for name, (_, summary) in cli.COMMANDS.items():
        command = subparsers.add_parser(name, help=summary)
        cli.configure(command, name)
        command.description = summary  # shown beside the command's name, where some descriptions are too long
        for action in command._actions:  # argparse has no public list of them; shtab reads the same
            if action.type in (Path, path_or_address, local_path):
                action.complete = shtab.FILE
    return parser
