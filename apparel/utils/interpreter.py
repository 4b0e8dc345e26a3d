"""DVC started by this Python, whose stages say `python` in dvc.yaml, with or without its environment activated."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path


def first(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment in which `python` is the interpreter that runs now."""
    programs = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", "")])
    return {**environment, "PATH": programs}
