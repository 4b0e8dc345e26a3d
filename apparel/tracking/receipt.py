"""Proof that MLflow has what was sent, or refuses it: proxies, login pages and other services answer in its place."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run

MISSING = "RESOURCE_DOES_NOT_EXIST"
"""MLflow's error code where it has no such run or experiment."""

INVALID = "INVALID_PARAMETER_VALUE"
"""MLflow's error code for a request that no retry helps."""

FIRST_VERSION = {"model": (3,), "inputs": (2, 4)}
"""The version of MLflow's server that first took lines of a kind."""


class Unconfirmed(Exception):
    """What answers does not have what was sent, or is not MLflow: nothing is known of what it was asked for."""


def stored_run(client: Any, run: str) -> "Run":
    """The run with that id as MLflow has it.

    Raises:
        Unconfirmed: the answer is not that run.
    """
    stored = client.get_run(run)
    if not run or stored.info.run_id != run or not stored.info.artifact_uri:
        raise Unconfirmed(f"what answers there is not MLflow, or does not have run {run}")
    return stored


def missing_metrics(client: Any, run: str, points: Sequence["Metric"]) -> list["Metric"]:
    """Those of the points that are not in the histories of a run's metrics."""
    stored: dict[tuple[str, int, int], list[float]] = {}
    for name in sorted({point.key for point in points}):
        for point in client.get_metric_history(run, name):
            stored.setdefault(_key(point), []).append(point.value)
    return [
        point for point in points if not any(_is_equal(value, point.value) for value in stored.get(_key(point), ()))
    ]


def check_values(run: "Run", params: Mapping[str, str], tags: Mapping[str, str]) -> None:
    """Compares parameters and tags with those of a run.

    Raises:
        Unconfirmed: the run does not have one of them.
    """
    require(_without(params, run.data.params) + _without(tags, run.data.tags))


def require(missing: Sequence[str]) -> None:
    """Refuses an answer after which something is missing.

    Raises:
        Unconfirmed: names the first of what is missing.
    """
    if missing:
        raise Unconfirmed(f"what answers there does not have {', '.join(missing[:3])} after it was sent")


def is_mlflows(error: Exception, *codes: str) -> bool:
    """Whether an error is MLflow's own answer, with one of these error codes, and not that of a proxy."""
    from mlflow.exceptions import MlflowException, RestException
    from requests import HTTPError

    if isinstance(error, HTTPError):
        try:
            return _is_structured(error.response.json(), codes)
        except (ValueError, AttributeError):
            return False
    if isinstance(error, RestException):
        return _is_structured(error.json, codes)
    # The client raises the same class for an answer that is not MLflow's, such as a proxy's 404 in HTML.
    is_answer = str(error).startswith("API request to ")
    return isinstance(error, MlflowException) and not is_answer and error.error_code in codes


def is_too_old(client: Any, kind: str) -> bool:
    """Whether the server says that its version does not take lines of that kind."""
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    if kind not in FIRST_VERSION or not client.tracking_uri.startswith("http"):
        return False
    try:
        answer = http_request(get_default_host_creds(client.tracking_uri), "/version", "GET")
    except Exception:  # noqa: BLE001 - of several libraries, when the server is away
        return False
    version = re.fullmatch(r"(\d+)\.(\d+)(\.\w+)*", answer.text.strip()) if answer.status_code == 200 else None
    return bool(version) and (int(version[1]), int(version[2])) < FIRST_VERSION[kind]


def _is_structured(answer: Any, codes: Sequence[str]) -> bool:
    return isinstance(answer, dict) and answer.get("error_code") in codes and isinstance(answer.get("message"), str)


def _key(point: "Metric") -> tuple[str, int, int]:
    return point.key, point.step, point.timestamp


def _is_equal(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-6) or (math.isnan(one) and math.isnan(other))


def _without(sent: Mapping[str, str], stored: Mapping[str, str]) -> list[str]:
    # MLflow's file store changes line ends and blanks.
    return [name for name, value in sent.items() if name not in stored or stored[name].split() != value.split()]
