"""What counts as MLflow's own word."""

import json
import math
from types import SimpleNamespace

import pytest
import requests
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException, RestException

from apparel.tracking import receipt
from apparel.tracking.receipt import INVALID, MISSING, Unconfirmed, is_mlflows


def http_error(content):
    response = requests.Response()
    response._content = content.encode()
    return requests.HTTPError("400 Client Error", response=response)


OWN = [
    RestException({"error_code": INVALID, "message": "Invalid value"}),
    http_error(json.dumps({"error_code": INVALID, "message": "Invalid path"})),
    MlflowException.invalid_parameter_value("Invalid metric name"),  # by the client, before it asks the server
]
OTHERS = [
    RestException({"error_code": INVALID}),
    RestException({"error_code": 400, "message": "Bad Request"}),
    RestException({"detail": "Not Found"}),
    RestException({"error_code": "PERMISSION_DENIED", "message": "no"}),
    http_error("<h1>Request Entity Too Large</h1>"),
    http_error("[]"),
    http_error('{"error": "too large"}'),
    requests.HTTPError("without a response"),
    MlflowException("API request to endpoint /api failed with error code 400 != 200", error_code=1000),
    OSError("refused"),
]


@pytest.mark.parametrize("error", OWN, ids=str)
def test_mlflows_structured_error_is_its_own(error):
    assert is_mlflows(error, INVALID, MISSING)
    assert not is_mlflows(error, MISSING)


@pytest.mark.parametrize("error", OTHERS, ids=str)
def test_nothing_else_is(error):
    assert not is_mlflows(error, INVALID, MISSING)


@pytest.mark.parametrize(
    ("answer", "kinds"),
    [("2.22.0", ["model"]), ("1.30.1", ["model", "inputs"]), ("3.17.0", []), ("<form>1.0</form>", []), ("", [])],
)
def test_only_an_old_mlflow_says_that_it_is_old(monkeypatch, answer, kinds):
    response = SimpleNamespace(status_code=200, text=answer)
    monkeypatch.setattr("mlflow.utils.rest_utils.http_request", lambda *_: response)
    server = SimpleNamespace(tracking_uri="http://127.0.0.1:1")
    assert [kind for kind in ("model", "inputs", "file") if receipt.is_too_old(server, kind)] == kinds
    assert not receipt.is_too_old(SimpleNamespace(tracking_uri="sqlite:///mlflow.db"), "model")


@pytest.mark.parametrize(
    ("run", "asked"), [("", ""), ("", "a" * 32), ("b" * 32, "a" * 32)], ids=["empty", "no run", "another run"]
)
def test_an_answer_that_is_not_the_run_is_no_run(run, asked):
    info = SimpleNamespace(run_id=run, artifact_uri="x")
    with pytest.raises(Unconfirmed):
        receipt.stored_run(SimpleNamespace(get_run=lambda _: SimpleNamespace(info=info)), asked)


def test_points_are_looked_for_in_the_whole_history():
    stored = [Metric("a", 1.0, 10, 0), Metric("a", math.nan, 10, 1), Metric("a", 3.0, 10, 3)]
    client = SimpleNamespace(get_metric_history=lambda run, name: stored if name == "a" else [])
    present = [Metric("a", 1.0, 10, 0), Metric("a", math.nan, 10, 1)]
    missing = [Metric("a", 2.0, 10, 2), Metric("a", 3.5, 10, 3), Metric("a", 3.0, 11, 3), Metric("b", 1.0, 10, 0)]
    assert receipt.missing_metrics(client, "run", present + missing) == missing


def test_a_value_that_differs_is_missing():
    stored = SimpleNamespace(data=SimpleNamespace(params={"a": "1", "b": "x\ny "}, tags={"t": "old"}))
    receipt.check_values(stored, {"a": "1", "b": "x\r\ny"}, {"t": "old"})  # MLflow's file store changes line ends
    with pytest.raises(Unconfirmed, match="does not have a, t"):
        receipt.check_values(stored, {"a": "2"}, {"t": "new"})
