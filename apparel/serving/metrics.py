"""Metrics of the HTTP server in Prometheus' format."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from apparel.serving.models import Models

SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
"""Seconds; upper bounds of the latency histogram: a small photo takes 10 to 20 ms, the longest wait is 60 s."""


class Metrics:
    """Counts of one server.

    Attributes:
        requests: by path and status.
        seconds: from a request's header to the end of its answer, by path.
        photos: by outcome, `detected` or `problem`.
        detections: shown ones, those at or above the threshold, by class.
    """

    def __init__(self, models: Models, waiting: Callable[[], int]):
        """All counts are 0.

        Args:
            models: whose state is shown.
            waiting: photos that wait now.
        """
        self._registry = CollectorRegistry()
        self._models, self._waiting = models, waiting
        self.requests = Counter(
            "apparel_requests", "Requests by path and status.", ["path", "status"], registry=self._registry
        )
        self.seconds = Histogram(
            "apparel_request_seconds", "Seconds to an answer.", ["path"], buckets=SECONDS, registry=self._registry
        )
        self.photos = Counter("apparel_photos", "Photos by outcome.", ["outcome"], registry=self._registry)
        self.detections = Counter("apparel_detections", "Detections shown.", ["class"], registry=self._registry)
        self._registry.register(self)

    def text(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> list[Metric]:
        """What is read when metrics are asked for; Prometheus' client calls it."""
        model = self._models.current
        families = [
            GaugeMetricFamily("apparel_photos_waiting", "Photos that wait or are detected on.", self._waiting()),
            GaugeMetricFamily("apparel_model_loaded", "1 if a model is in use.", int(model is not None)),
            GaugeMetricFamily(
                "apparel_model_outdated",
                "1 if the newest model is not in use, since it cannot be loaded.",
                int(self._models.problem is not None),
            ),
            CounterMetricFamily("apparel_model_loads", "Models loaded since the start.", self._models.loads),
            CounterMetricFamily(
                "apparel_model_failures", "How often a newer model was not to be had.", self._models.failures
            ),
        ]
        if model is not None:
            families.append(InfoMetricFamily("apparel_model", "The model in use.", model.describe()))
        return families
