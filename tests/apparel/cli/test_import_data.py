import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from dvc.exceptions import CheckoutError
from dvc.repo import Repo

from apparel import paths
from apparel.data.ingest import sources, staging
from apparel.errors import UserError
from apparel.utils import yaml
from tests.support import import_project, memory_bucket
from tests.support.import_project import SHOP, photo, run, state, tree, write_shop
from tests.support.repository import COCO, ROOT


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project of git and DVC, with a source beside it."""
    return import_project.make(tmp_path, monkeypatch)


def test_a_data_set_is_imported_tracked_and_recorded(project, capsys):
    run("../shop.zip", "--name", "shop")
    assert tree(paths.DATA) == {f"shop/{name}" for name in SHOP}
    origin = json.loads((paths.DATA / "shop" / "source.json").read_text(encoding="utf-8"))
    assert origin["source"] == "../shop.zip" and origin["counts"]["photos"] == 4
    assert str(project.parent) not in json.dumps(origin)
    with Repo() as repo:
        assert repo.status() == {}
    untracked = subprocess.run(["git", "status", "-uall", "--porcelain"], check=True, capture_output=True, text=True)
    assert {line[3:] for line in untracked.stdout.splitlines() if "data/" in line} == {
        f"data/shop/{name}" for name in SHOP if "/" not in name
    }
    assert "apparel inspect shop" in capsys.readouterr().out


def test_a_dry_run_shows_what_would_be_imported_and_leaves_nothing(project, capsys):
    run("../shop.zip", "--name", "shop", "--dry-run")
    assert "4 photos, 1 annotation files, 1 lists" in capsys.readouterr().out
    assert tree(paths.DATA) == set() and tree(project.parent) >= {"shop.zip"}


def test_photos_without_a_label_are_refused_and_leave_nothing_unless_that_is_meant(project, capsys):
    folder = project.parent / "bare"
    folder.mkdir()
    (folder / "0.png").write_bytes(photo(0))
    with pytest.raises(UserError, match="not one label"):
        run("../bare", "--name", "bare")
    assert not list(paths.DATA.glob("**/*"))
    run("../bare", "--name", "bare", "--without-labels")
    assert tree(paths.photos("bare")) == {"0.png"}


def test_yolos_classes_are_given_and_lists_are_named_for_the_split(project, capsys):
    for split in ("train", "test"):
        folder = project.parent / "shop" / split
        folder.mkdir(parents=True)
        (folder / "0.png").write_bytes(photo(len(split)))
        (folder / "0.txt").write_text("1 0.5 0.5 0.5 0.5\n")
    with pytest.raises(UserError, match="--classes 'a,b,c'"):
        run("../shop", "--name", "shop")
    with pytest.raises(SystemExit):
        run("../shop", "--name", "shop", "--classes", "Tops,,Skirts")
    run("../shop", "--name", "shop", "--classes", "Tops, Skirts")
    assert (paths.annotations("shop") / "classes.txt").read_text() == "Tops\nSkirts\n"
    assert "can pin the split: split.train_list=train.txt, split.test_list=test.txt; next:" in capsys.readouterr().out
    split = yaml.load(paths.CONFIGS / "experiments" / "shop.yaml")["params"]["split"]
    assert (split["train_list"], split["test_list"]) == ("train.txt", "test.txt")


def test_a_data_set_is_replaced_only_with_the_option(project):
    run("../shop.zip", "--name", "shop")
    first = state()
    write_shop(project.parent / "shop.zip", photos=2)
    (paths.DATA / "shop" / "note.txt").write_text("mine")
    with pytest.raises(UserError, match="data/shop exists already"):
        run("../shop.zip", "--name", "shop")
    assert {path: content for path, content in state().items() if not path.endswith("note.txt")} == first
    run("../shop.zip", "--name", "shop", "--replace")
    assert len(list(paths.photos("shop").iterdir())) == 2 and state()["shop/photos.dvc"] != first["shop/photos.dvc"]
    assert (paths.DATA / "shop" / "note.txt").read_text() == "mine"


def test_a_hostile_archive_leaves_nothing_behind(project):
    with zipfile.ZipFile(project.parent / "shop.zip", "a") as archive:
        archive.writestr("../../escaped.png", photo(1))
    before = tree(project.parent)
    with pytest.raises(UserError, match=r"shop\.zip: '\.\./\.\./escaped\.png' in it leads out"):
        run("../shop.zip", "--name", "shop")
    assert {name for name in tree(project.parent) - before if not name.endswith("import.lock")} == set()


def test_no_password_of_an_address_is_kept(project, monkeypatch):
    requests = []
    keep_request = lambda source, request, *_, **__: requests.append(request)  # noqa: E731
    monkeypatch.setattr("apparel.data.ingest.import_source.import_source", keep_request)
    run("https://me:p4ss@w0rd@example.com/shop.git", "--name", "shop")
    assert requests == [["https://example.com/shop.git", None, [], None]]


@pytest.mark.parametrize(
    "name", ["results", "pretrained", "unlabelled", "demo", "../x", ".x", "a/b", "", "-x", "a\n", "x.dvc"]
)
def test_unusable_names_are_refused(name):
    with pytest.raises(UserError, match="--name"):
        run("../shop.zip", f"--name={name}")


def test_a_second_import_at_the_same_time_and_another_folder_are_refused(project, monkeypatch):
    with staging.import_lock(), pytest.raises(UserError, match="another import is running"):
        run("../shop.zip", "--name", "shop")
    monkeypatch.chdir(project.parent)
    with pytest.raises(UserError, match="project's root folder"):
        run("shop.zip", "--name", "shop")


def test_a_file_or_a_broken_link_as_the_target_is_refused(project):
    paths.DATA.mkdir(exist_ok=True)
    (paths.DATA / "file").touch()
    (paths.DATA / "link").symlink_to("nowhere")
    for name in ("file", "link"):
        for words in ((), ("--replace",)):
            with pytest.raises(UserError, match=f"data/{name} exists and is not a folder"):
                run("../shop.zip", "--name", name, *words)
    run("../shop.zip", "--name", "shop")


@pytest.mark.parametrize("link", ["data/shop", "data"])
def test_a_link_to_a_folder_as_the_target_is_refused_before_anything_moves(project, link):
    disk = project.parent / "disk"
    disk.mkdir()
    Path(link).parent.mkdir(exist_ok=True)
    Path(link).symlink_to(disk)
    for words in ((), ("--replace",)):
        with pytest.raises(UserError, match=f"^{link} is a link to another folder.*remove the link and import again"):
            run("../shop.zip", "--name", "shop", *words)
    assert not list(disk.iterdir()) and not list(project.glob("data/.import-*"))
    Path(link).unlink()
    run("../shop.zip", "--name", "shop")


def test_abandon_takes_no_source_and_an_import_needs_source_and_name(project):
    for words in (("x.zip", "--abandon"), ("x.zip",), ("--name", "shop"), ()):
        with pytest.raises(UserError, match="expected `apparel import SOURCE --name NAME`"):
            run(*words)
    run("--abandon")
    for words in (("--abandon", "shop"), ("--abandon", "--name", "shop")):
        with pytest.raises(UserError, match="no import of 'shop' was interrupted"):
            run(*words)


def test_the_params_that_keras_weights_need_are_printed(project, capsys):
    import h5py

    with h5py.File(project.parent / "mobilenet.h5", "w") as file:
        file.attrs["layer_names"] = [b"conv1"]
        file.create_group("conv1").attrs["weight_names"] = [b"conv1/kernel:0"]
        file["conv1"]["conv1/kernel:0"] = np.zeros((3, 3, 3, 24), np.float32)
    run("../mobilenet.h5", "--checkpoint", "--name", "imagenet")
    values = "train.checkpoint=imagenet -S train.checkpoint_type=backbone -S train.depth_multiplier=0.75"
    assert f"apparel run -S {values}" in capsys.readouterr().out


@pytest.mark.shared("pretrained/ssd_mobilenet_v1_0.75_coco")
def test_the_params_that_a_zoo_checkpoint_needs_are_read_from_its_pipeline_file(project, capsys):
    run(str(COCO), "--checkpoint", "--name", "coco")
    values = "train.checkpoint=coco -S train.depth_multiplier=0.75 -S train.resolution=300"
    assert f"apparel run -S {values}" in capsys.readouterr().out


def test_starting_weights_are_imported_and_tracked(project):
    import h5py

    with h5py.File(project.parent / "mobilenet.h5", "w") as file:
        file.attrs["layer_names"] = [b"layer"]
    run("../mobilenet.h5", "--checkpoint", "--name", "imagenet")
    assert tree(paths.PRETRAINED) == {"imagenet/mobilenet.h5", "imagenet.dvc", "imagenet.source.json", ".gitignore"}
    with pytest.raises(UserError, match="data/pretrained/imagenet exists already"):
        run("../mobilenet.h5", "--checkpoint", "--name", "imagenet")


def test_the_demo_is_drawn_since_dvc_needs_its_files(project):
    (paths.DATA / "demo").mkdir(parents=True)
    draw = "from pathlib import Path; Path('photos').write_text('drawn')"
    stage = {"stages": {"draw": {"cmd": f'python -c "{draw}"', "outs": ["photos"]}}}
    (paths.DATA / "demo" / "dvc.yaml").write_text(json.dumps(stage))
    with pytest.raises(CheckoutError):
        Repo().checkout()
    run("../shop.zip", "--name", "shop")
    assert (paths.DATA / "demo" / "photos").read_text() == "drawn"
    Repo().checkout()


def test_weights_that_have_names_are_listed_and_unknown_ones_refused(project, capsys):
    run("--checkpoint", "--list", "ssd_mobilenet_v1_coco")
    assert capsys.readouterr().out.split()[:4] == ["ssd_mobilenet_v1_coco", "TensorFlow", "1", "COCO"]
    with pytest.raises(UserError, match="did you mean 'ssd_mobilenet_v1_coco'"):
        run("--checkpoint", "ssd_mobilnet_v1_coco")
    run("--checkpoint", "ssd_mobilenet_v1_coco", "--dry-run")
    assert "nothing was fetched" in capsys.readouterr().out


def test_no_tensorflow_is_imported_before_weights_are_there(project):
    words = ["ssd_mobilenet_v1_coco", "--checkpoint", "--dry-run"]
    program = f"import sys; sys.argv[1:] = {['import', *words]!r}; from apparel.__main__ import main; main(); "
    program += "assert not {'tensorflow', 'h5py'} & sys.modules.keys()"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)


def test_photos_and_weights_are_imported_from_a_bucket(project, monkeypatch):
    import h5py

    address = memory_bucket.make(monkeypatch)
    memory_bucket.write(f"{address}/in/shop.zip", (project.parent / "shop.zip").read_bytes())
    run(f"{address}/in", "--name", "shop")
    assert tree(paths.DATA) == {f"shop/{name}" for name in SHOP}
    origin = json.loads((paths.DATA / "shop" / "source.json").read_text(encoding="utf-8"))
    assert (origin["source"], origin["kind"]) == (f"{address}/in", "bucket")
    assert origin["archives"][0]["sha256"] == sources.file_sha256(project.parent / "shop.zip")
    with h5py.File(project.parent / "mobilenet.h5", "w") as file:
        file.attrs["layer_names"] = [b"layer"]
    memory_bucket.write(f"{address}/weights/mobilenet.h5", (project.parent / "mobilenet.h5").read_bytes())
    run(f"{address}/weights/mobilenet.h5", "--checkpoint", "--name", "imagenet")
    assert (paths.PRETRAINED / "imagenet" / "mobilenet.h5").is_file()
    origin = json.loads((paths.PRETRAINED / "imagenet.source.json").read_text(encoding="utf-8"))
    assert origin["loose"]["files"] == 1


def test_photos_alone_are_imported_beside_one_another_and_replaced(project, capsys):
    run("../shop.zip", "--unlabelled", "--name", "more")
    assert "-S data.unlabelled=more -S train.teacher=mean -S train.moving_average=0.99" in capsys.readouterr().out
    assert tree(paths.UNLABELLED / "more") == {f"{number}.png" for number in range(4)}
    assert tree(paths.UNLABELLED) >= {"more.dvc", "more.source.json"}
    origin = json.loads((paths.UNLABELLED / "more.source.json").read_text(encoding="utf-8"))
    assert origin["counts"] == {"photos": 4, "repeated": 0, "others": 2, "left_out": 0}
    with pytest.raises(UserError, match="exists already"):
        run("../shop.zip", "--unlabelled", "--name", "more")
    write_shop(project.parent / "shop.zip", photos=2)
    run("../shop.zip", "--unlabelled", "--name", "more", "--replace")
    assert tree(paths.UNLABELLED / "more") == {"0.png", "1.png"}


def test_options_of_labels_and_weights_do_not_go_with_photos_alone(project):
    with pytest.raises(UserError, match="--checkpoint is for weights, --unlabelled for photos"):
        run("../shop.zip", "--unlabelled", "--checkpoint", "--name", "more")
    with pytest.raises(UserError, match="--unlabelled imports none"):
        run("../shop.zip", "--unlabelled", "--classes", "a,b", "--name", "more")
