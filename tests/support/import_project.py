"""An empty project of git and DVC beside an archive of photos, and `apparel import` in it."""

import argparse
import io
import json
import subprocess
import zipfile

from dvc.repo import Repo
from PIL import Image

from apparel import paths
from apparel.annotations.records import Box
from apparel.cli import import_data
from apparel.data.synthetic.dataset import labelimg_xml


def run(*words):
    parser = argparse.ArgumentParser()
    import_data.add_arguments(parser)
    import_data.main(parser.parse_args(list(map(str, words))))


def photo(number):
    data = io.BytesIO()
    Image.new("RGB", (8, 6), (number, 0, 0)).save(data, "PNG")
    return data.getvalue()


def write_shop(path, photos):
    """A zip with this many photos, an annotation and a list."""
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(photos):
            archive.writestr(f"samples/{number}.png", photo(number))
        archive.writestr("annotations/0.xml", labelimg_xml("0.png", 6, [Box("Tops", (0, 0, 4, 4))]))
        archive.writestr("labels/test_labels.csv", "filename\n0.png\n")
    return path


def make(tmp_path, monkeypatch):
    """An empty project of git and DVC, with a source beside it."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    subprocess.run(["git", "init", "--quiet"], check=True)
    Repo.init()
    write_shop(tmp_path / "shop.zip", photos=4)
    return folder


def tree(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


SHOP = {
    *(f"photos/{number}.png" for number in range(4)),
    *("annotations/0.xml", "lists/photos.txt", "lists/annotations.txt", "lists/test_labels.csv"),
    *("photos.dvc", "annotations.dvc", "lists.dvc", "source.json", ".gitignore"),
}


def state():
    """The files under data/ with their content, except for the time in records, which differs between imports."""
    contents = {path: (paths.DATA / path).read_bytes() for path in tree(paths.DATA)}
    origins = {path: json.loads(contents[path]) for path in contents if path.endswith("source.json")}
    return contents | {path: origin | {"imported": ""} for path, origin in origins.items()}
