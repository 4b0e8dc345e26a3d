from pathlib import Path

import pytest

from apparel.errors import UserError
from apparel.inference import networks


def test_what_holds_no_detector_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is neither the folder of a trained model nor an exported detector"):
        networks.load(tmp_path)
