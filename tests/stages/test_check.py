import shutil

import pytest

from apparel import paths
from apparel.errors import UserError
from stages import check
from tests.support.project_copy import set_params
from tests.support.repository import ROOT


def test_its_output_is_the_same_for_all_parameters_that_can_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "configs", "configs")
    shutil.copytree(ROOT / "data" / "demo", "data/demo")
    shutil.copy(ROOT / "params.yaml", paths.PARAMS)
    check.main()
    before = paths.CHECKED.read_bytes()
    set_params(paths.PARAMS, train={"epochs": 3})
    check.main()
    assert paths.CHECKED.read_bytes() == before
    set_params(paths.PARAMS, data={"name": "shop"})
    with pytest.raises(UserError, match="there are no photos 'data/shop'"):
        check.main()
    assert paths.CHECKED.read_bytes() == before
