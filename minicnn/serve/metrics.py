"""What the service counts, as Prometheus reads it."""

from __future__ import annotations

from ..errors import need

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Requests by status, their times, those in hand, and the sizes of batches."""

    def __init__(self) -> None:
        need("prometheus_client")
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self._registry = own = CollectorRegistry()
        self._requests = Counter("minicnn_requests", "Requests to /predict by status.", ["status"], registry=own)
        self._seconds = Histogram("minicnn_request_seconds", "Seconds from request to answer.", buckets=SECONDS, registry=own)
        self._in_hand = Gauge("minicnn_requests_in_hand", "Requests that are not yet answered.", registry=own)
        self._batches = Histogram("minicnn_batch_images", "Images that went together.", buckets=SIZES, registry=own)

    def answered(self, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(str(status)).inc()
        self._seconds.observe(seconds)

    def waiting(self, requests: int) -> None:
        """Say how many requests are in hand."""
        self._in_hand.set(requests)

    def batch(self, images: int) -> None:
        """Count a batch."""
        self._batches.observe(images)

    def text(self) -> str:
        """All of it in Prometheus's text format."""
        from prometheus_client import generate_latest

        return generate_latest(self._registry).decode()
