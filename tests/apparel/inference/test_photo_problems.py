import io
from pathlib import Path

import pytest
from PIL import Image

from apparel import images
from apparel.errors import UserError
from apparel.inference.photo_problems import photo_problem

NAMES = ["a.jpg", "./shop/a.jpg", "sale; 50%.jpg", "two  blanks.jpg", "line\nend.jpg", f"{'long' * 100}.jpg"]


@pytest.mark.parametrize("name", NAMES)
def test_the_reason_has_neither_the_name_nor_a_remedy(name):
    png = io.BytesIO()
    Image.new("RGB", (96, 64), "red").save(png, "PNG")
    reasons = []
    for data in (b"x", png.getvalue()[:60]):
        with pytest.raises(UserError) as caught:
            images.decode(data, Path(name), images.PHONE_FORMATS)
        reasons.append(photo_problem(caught.value, name))
    assert reasons[0].startswith("is not a JPEG, PNG")
    assert reasons[1].startswith("is damaged (")
    assert not any("remove" in reason or "\n" in reason for reason in reasons)


def test_an_error_without_a_message_is_called_by_its_type():
    assert photo_problem(MemoryError(), "a.jpg") == "MemoryError"
    assert photo_problem(UserError("a.jpg: too many pixels; shrink it"), "a.jpg") == "too many pixels"
