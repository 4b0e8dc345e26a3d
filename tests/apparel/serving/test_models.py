import threading
from pathlib import Path

import pytest

from apparel.errors import UserError
from apparel.serving.limits import RefusedRequest
from apparel.serving.models import Models
from tests.support import servers, stand_in_network
from tests.support.running_server import png, running


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "model"
    write(folder, "first")
    return folder


def write(folder: Path, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "hash").write_text(text, encoding="utf-8")


def models_of(folder: Path, load=stand_in_network.load) -> Models:
    models = Models(str(folder), Path, load)
    assert models.update()
    return models


def in_use(models: Models) -> str:
    with models.use() as model:
        return model.metadata.model


def test_before_the_first_model():
    with pytest.raises(RefusedRequest) as error, Models("a", Path, stand_in_network.load).use():
        pass
    assert error.value.status == 503


def test_a_changed_model_is_taken(folder):
    models = models_of(folder)
    write(folder, "second")
    assert models.update()
    assert in_use(models) == "second"
    assert models.loads == 2


def test_the_same_model_is_not_loaded_twice(folder):
    models = models_of(folder)
    write(folder, "first")  # a new time, the same content, as `dvc checkout` writes it
    assert models.update()
    assert models.update()
    assert models.loads == 1


def test_an_export_that_comes_later_is_taken(folder):
    export = folder.with_name("export")

    def load(path):
        return stand_in_network.load(export if export.exists() else path)

    models = Models(str(folder), Path, load, lambda path: [path, *([export] if export.exists() else [])])
    assert models.update()
    write(export, "export")
    assert models.update()
    assert (in_use(models), models.loads) == ("export", 2)
    assert models.update()
    assert models.loads == 2


def test_only_the_last_part_of_a_path_is_shown(folder):
    with models_of(folder).use() as model:
        assert model.describe()["name"] == "model"


@pytest.mark.parametrize("text", ["damaged", None])
def test_a_model_that_cannot_be_loaded_leaves_the_old_one(folder, text, caplog):
    models = models_of(folder)
    if text is None:
        (folder / "hash").unlink()
    else:
        write(folder, text)
    for _ in range(3):
        assert not models.update()
    assert in_use(models) == "first"
    assert models.problem
    assert models.failures == 3
    assert len(caplog.messages) == 1  # the log is not filled with the same
    write(folder, "third")
    assert models.update()
    assert (in_use(models), models.problem) == ("third", None)


def test_a_damaged_model_is_loaded_once(folder):
    loaded = []
    models = models_of(folder, lambda path: loaded.append(path) or stand_in_network.load(path))
    write(folder, "damaged")
    for _ in range(3):
        models.update()
    assert len(loaded) == 2


def test_the_old_model_comes_back(folder):
    models = models_of(folder)
    write(folder, "damaged")
    assert not models.update()
    write(folder, "first")
    assert models.update()
    assert (in_use(models), models.problem, models.loads) == ("first", None, 1)


def test_what_changes_while_it_is_loaded_is_not_taken(folder):
    def load(path: Path):
        network = stand_in_network.load(path)
        if network[0].metadata.model == "half":
            write(path, "whole")
        return network

    models = models_of(folder, load)
    write(folder, "half")
    assert not models.update()
    assert in_use(models) == "first"
    assert models.update()
    assert in_use(models) == "whole"


def test_a_name_that_means_another_model(tmp_path):
    write(tmp_path / "a", "first")
    write(tmp_path / "b", "second")
    alias = ["a"]

    def resolve(name: str) -> Path:
        assert name == "champion"
        if alias[0] == "away":
            raise UserError("MLflow does not answer")
        return tmp_path / alias[0]

    models = Models("champion", resolve, stand_in_network.load)
    assert models.update()
    alias[0] = "away"
    assert not models.update()
    assert models.problem == "MLflow does not answer"
    assert in_use(models) == "first"
    alias[0] = "b"
    assert models.update()
    with models.use() as model:
        assert model.describe() == {"name": "champion", "hash": "second", "runtime": "stand-in"}


def test_no_request_is_lost_while_models_change(folder):
    photo = ("a.png", png(stand_in_network.photo()))
    models = models_of(folder)
    answers, over = [], threading.Event()

    def ask(server) -> None:
        while not over.is_set():
            answers.append(server.detect(photo))

    with running(models) as server:
        clients = [threading.Thread(target=ask, args=(server,)) for _ in range(4)]
        for client in clients:
            client.start()
        for number in range(10):
            write(folder, f"model-{number}")
            assert models.update()
            before = len(answers)
            servers.wait_for(lambda before=before: len(answers) > before + 4)
        over.set()
        for client in clients:
            client.join()
    assert {answer.status for answer in answers} == {200}
    assert {"model-0", "model-9"} <= {answer.json["model"]["hash"] for answer in answers}


def test_the_threads_of_a_model_end_when_nobody_uses_it(folder):
    models = models_of(folder)
    with models.use() as old:
        write(folder, "second")
        models.update()
        assert old.submit(lambda: old.prepare(stand_in_network.pixels())).result(60)
    models.stop()
    servers.wait_for(lambda: not old.is_running)


def test_watching(folder):
    models = models_of(folder)
    models.watch(0.05)
    write(folder, "second")
    servers.wait_for(lambda: in_use(models) == "second")
    models.stop()
