"""The configuration of a sweep is read from a file, and written into its study."""

import pytest

from apparel.errors import UserError
from apparel.sweeps import config
from apparel.sweeps.plan import to_plain
from tests.support.repository import ROOT


def test_a_file_that_is_missing_or_no_yaml_is_named(tmp_path):
    with pytest.raises(UserError, match="not found"):
        config.load_config(tmp_path / "sweep.yaml")
    (tmp_path / "sweep.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(UserError, match="not valid YAML"):
        config.load_config(tmp_path / "sweep.yaml")


@pytest.mark.parametrize("name", ["sweep.yaml", "sweep-demo.yaml", "sweep-apparel.yaml"])
def test_a_configuration_is_the_same_after_it_was_stored_in_a_study(name):
    settings = config.load_config(ROOT / "configs" / name)
    assert config.parse_config(to_plain(settings), "study") == settings
