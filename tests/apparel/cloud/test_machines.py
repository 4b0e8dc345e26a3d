"""Machine types, accelerators and pools as Vertex AI names them."""

import shutil

import pytest

from apparel.cloud.machines import Machines, check_count, is_private
from apparel.errors import UserError
from tests.support import project_copy
from tests.support.repository import ROOT

IMAGE = "europe-west4-docker.pkg.dev/demo/apparel/job:1"


def test_one_machine_is_one_pool_and_more_are_two():
    one, two = Machines("n1-standard-8", 1, IMAGE, "t4:2"), Machines("n2-standard-8", 5, IMAGE)
    machine = {"machineType": "n1-standard-8", "acceleratorType": "NVIDIA_TESLA_T4", "acceleratorCount": 2}
    container = {"imageUri": IMAGE, "command": ["python"], "args": ["x"]}
    assert one.pools(["python"], ["x"], {}) == [{"machineSpec": machine, "replicaCount": 1, "containerSpec": container}]
    pools = two.pools(["python"], ["x"], {"B": "2", "A": "1"})
    assert [pool["replicaCount"] for pool in pools] == [1, 4]
    assert pools[1]["machineSpec"] == {"machineType": "n2-standard-8"}
    assert pools[1]["containerSpec"]["env"] == [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]


@pytest.mark.parametrize(
    ("gpu", "name"), [("L4", ("NVIDIA_L4", 1)), ("NVIDIA_TESLA_A100:4", ("NVIDIA_TESLA_A100", 4)), (None, None)]
)
def test_accelerators(gpu, name):
    assert Machines("g2-standard-8", 1, IMAGE, gpu).accelerator() == name


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"gpu": "T5"}, "valid are A100, A100-80GB"),
        ({"gpu": "T4:0"}, "T4:2 for two"),
        ({"gpu": "T4:x"}, "T4:2 for two"),
        ({"gpu": "T4:17"}, "at most 16"),
        ({"type": "big"}, "no machine type"),
        ({"type": "n1-standard-8; rm"}, "no machine type"),
        ({"count": 1001}, "from 1 to 1000"),
        ({"region": "Europe"}, "no region"),
        ({"region": "europe-west4-a"}, "no region"),
        ({"image": "--help"}, "no address"),
        ({"network": "default"}, "projects/12345/global/networks/default"),
        ({"network": "projects/demo/global/networks/default"}, "the project's number"),
        ({"account": "jobs"}, "no address such as jobs@PROJECT"),
    ],
)
def test_what_cannot_work_names_the_option(changes, said):
    with pytest.raises(UserError, match=said):
        Machines(**{"type": "n1-standard-8", "count": 1, "image": IMAGE} | changes)


def test_what_may_make_a_job_useless_or_dear_is_a_warning():
    variables = {"APPAREL_STORAGE": "grpc://10.0.0.5:13000", "MLFLOW_TRACKING_URI": "https://mlflow.example/"}
    network = "projects/1/global/networks/default"
    assert list(Machines("n1-standard-8", 2, IMAGE, "T4", network=network).warnings("gs://b/jobs/one", variables)) == []
    folder, gpus, storage = Machines("n1-standard-8", 2, IMAGE, "T4:2").warnings("file:///jobs/one", variables)
    assert folder.startswith("file:///jobs/one is a folder of this machine")
    assert gpus.startswith("each machine uses its first GPU, and would have 2")
    assert storage.startswith("APPAREL_STORAGE=grpc://10.0.0.5:13000 is inside of a network")


def test_addresses_that_the_internet_does_not_know():
    private = [is_private(host) for host in ("10.0.0.5", "192.168.1.1", "127.0.0.1", "fd00::1")]
    assert private == [True] * 4
    assert [is_private(host) for host in ("8.8.8.8", "2001:4860:4860::8888", "db", "")] == [False] * 4


def test_more_machines_are_for_sweeps_and_for_trainings_whose_batch_they_divide(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    for task, count in (("sweep", 8), ("train", 1), ("eval", 1)):
        check_count(task, count)
    with pytest.raises(UserError, match="predict runs on one machine; --machines 2 is for train, and for sweep"):
        check_count("predict", 2)
    with pytest.raises(UserError, match=r"--machines 2: train\.replicas in params\.yaml, now 1, has to be a multiple"):
        check_count("train", 2)
    project_copy.set_params(tmp_path / "params.yaml", train={"replicas": 4})
    check_count("train", 2)
    with pytest.raises(UserError, match="now 4, has to be a multiple"):
        check_count("train", 3)
