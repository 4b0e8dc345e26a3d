"""Rank, size and addresses from the variables of Vertex AI, TensorFlow and the templates."""

import json

import pytest

from apparel.errors import UserError
from apparel.training.cluster import Cluster, of_training, read

HOSTS = {"workerpool0": ["a:1"], "workerpool1": ["b:1", "c:1"]}


def spec(pool: str, index: int) -> dict[str, str]:
    return {"CLUSTER_SPEC": json.dumps({"cluster": HOSTS, "task": {"type": pool, "index": index}})}


def tf_config(role: str, index: object, **cluster: object) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": role, "index": index}})}


@pytest.mark.parametrize(
    ("environment", "cluster"),
    [
        ({}, Cluster(0, 1, ())),
        (spec("workerpool0", 0), Cluster(0, 3, ("a:1", "b:1", "c:1"))),
        (spec("workerpool1", 1), Cluster(2, 3, ("a:1", "b:1", "c:1"))),
        (tf_config("worker", 1, chief=["a:1"], worker=["b:1", "c:1"]), Cluster(2, 3, ("a:1", "b:1", "c:1"))),
        (tf_config("worker", 0, worker=["a:1", "b:1"]), Cluster(0, 2, ("a:1", "b:1"))),
        ({"TF_CONFIG": "{}"}, Cluster(0, 1, ())),
        (tf_config("worker", "1", worker=["[::1]:1", "fd00::2"]), Cluster(1, 2, ("[::1]:1", "fd00::2"))),
        (tf_config("worker", None, worker=["a.b-c_d"]), Cluster(0, 1, ("a.b-c_d",))),
        ({"APPAREL_RANK": "1", "APPAREL_MACHINES": "2"}, Cluster(1, 2, ())),
        (
            {"APPAREL_RANK": "1", "APPAREL_MACHINES": "2", "APPAREL_ADDRESSES": "10.0.0.1\n10.0.0.2"},
            Cluster(1, 2, ("10.0.0.1", "10.0.0.2")),
        ),
    ],
)
def test_rank_size_and_addresses(environment, cluster):
    assert read(environment) == cluster
    assert read(environment).is_chief == (cluster.rank == 0)


def test_a_trial_of_a_sweep_is_trained_by_one_machine():
    assert of_training(spec("workerpool1", 1)) == read(spec("workerpool1", 1))
    assert of_training(spec("workerpool1", 1) | {"APPAREL_TRIAL_FOLDER": "/trial"}) == Cluster()


def test_eleven_pools_are_in_the_order_of_their_numbers():
    hosts = {f"workerpool{number}": [f"h{number}"] for number in (10, 2, 0, 1)}
    text = json.dumps({"cluster": hosts, "task": {"type": "workerpool10", "index": 0}})
    assert read({"CLUSTER_SPEC": text}) == Cluster(3, 4, ("h0", "h1", "h2", "h10"))


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"APPAREL_RANK": "2", "APPAREL_MACHINES": "2"}, "the rank below the size"),
        ({"APPAREL_RANK": "", "APPAREL_MACHINES": "2"}, "expected whole numbers"),
        ({"APPAREL_RANK": "0", "APPAREL_MACHINES": "2", "APPAREL_ADDRESSES": "a"}, "names 1 machines"),
        ({"APPAREL_ADDRESSES": "a b"}, "expected whole numbers"),
        ({"APPAREL_RANK": "0", "APPAREL_MACHINES": "2", "APPAREL_ADDRESSES": "a a"}, "names a twice"),
        ({"APPAREL_RANK": "0", "APPAREL_MACHINES": "1", "APPAREL_ADDRESSES": "http://a"}, "names 'http://a': expected"),
        ({"CLUSTER_SPEC": "{"}, "CLUSTER_SPEC does not describe this machine"),
        (spec("workerpool1", 2), "CLUSTER_SPEC does not describe this machine"),
        (spec("workerpool2", 0), "CLUSTER_SPEC does not describe this machine"),
        ({"TF_CONFIG": '{"cluster": []}'}, "TF_CONFIG does not describe this machine"),
        (tf_config("evaluator", 0, chief=["a:1"]), "TF_CONFIG does not describe this machine"),
        (tf_config("worker", 0, worker="a:1"), "TF_CONFIG does not describe this machine"),
        (tf_config("worker", 0, worker={"0": "a:1"}), "TF_CONFIG does not describe this machine"),
        (tf_config("worker", 0, worker=["a:1", 2]), "TF_CONFIG does not describe this machine"),
        (tf_config("worker", -1, worker=["a:1"]), "TF_CONFIG does not describe this machine"),
        (tf_config("worker", 0.5, worker=["a:1"]), "TF_CONFIG does not describe this machine"),
        (tf_config("worker", True, worker=["a:1", "b:1"]), "TF_CONFIG does not describe this machine"),
        ({"TF_CONFIG": "[" * 100_000}, r"this machine: \[+$"),
        (tf_config("worker", 0, worker=["a:1", "a:1"]), "TF_CONFIG names a:1 twice"),
        (tf_config("worker", 0, worker=["a:1", ""]), "TF_CONFIG names '': expected HOST or HOST:PORT"),
        (tf_config("worker", 0, worker=["a:0"]), "TF_CONFIG names 'a:0'"),
        (tf_config("worker", 0, worker=["a:65536"]), "TF_CONFIG names 'a:65536'"),
        (tf_config("worker", 0, worker=["a:x"]), "TF_CONFIG names 'a:x'"),
    ],
)
def test_what_does_not_fit_names_the_variable(environment, said):
    with pytest.raises(UserError, match=said):
        read(environment)
