import pytest

from apparel import paths
from apparel.errors import UserError
from apparel.models.export import formats, tflite
from tests.support import decided_detector


def test_a_format_gets_a_folder_of_its_own_in_place_of_an_older_one(tmp_path, monkeypatch):
    trained = decided_detector.network()
    monkeypatch.setattr(
        tflite, "write", lambda detector, metadata, target, photos: (target.parent.mkdir(), target.touch())
    )
    older = tmp_path / "tflite" / "export.json"
    older.parent.mkdir()
    older.touch()
    target = formats.write("tflite", trained.detector, trained.metadata, tmp_path, lambda: [])
    assert target == tmp_path / "tflite" / "detector.tflite"
    assert not older.exists()
    trained.detector.config.model.ssd.image_resizer.keep_aspect_ratio_resizer.SetInParent()
    with pytest.raises(UserError, match="use saved_model"):
        formats.write("tflite", trained.detector, trained.metadata, tmp_path, lambda: [])
    assert target.exists()


def test_every_format_has_a_path_in_its_own_folder():
    for name, path in paths.EXPORTS.items():
        assert path.relative_to(paths.EXPORT).parts[0] == name
