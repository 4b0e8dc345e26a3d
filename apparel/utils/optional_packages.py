"""Packages that not everybody installs: imported where they are used, with an error that says how to get them."""

import importlib
from types import ModuleType

from apparel.errors import UserError


def import_package(name: str) -> ModuleType:
    """Imports a package of requirements-export.txt, or a module of one.

    Raises:
        UserError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.partition(".")[0]:
            raise
        raise UserError(
            f"ONNX files need the package {error.name}, which is not installed: run `make setup-export`, "
            "or `pip install --no-deps -r requirements-export.txt`"
        ) from None
