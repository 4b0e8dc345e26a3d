import sys

import pytest

from apparel.errors import UserError
from apparel.utils import optional_packages


def test_an_installed_module_is_imported():
    assert optional_packages.import_package("json.decoder").__name__ == "json.decoder"


def test_a_package_that_is_not_installed_is_named_with_the_command():
    with pytest.raises(UserError, match="package unheard_of, which is not installed: run `make setup-export`"):
        optional_packages.import_package("unheard_of.part")


def test_a_broken_package_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / "broken_package.py").write_text("import unheard_of")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="unheard_of"):
        optional_packages.import_package("broken_package")
    sys.modules.pop("broken_package", None)
