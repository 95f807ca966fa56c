"""What /metrics shows. The hot path adds to plain numbers; prometheus-client sees them only when it asks."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from orchestrator.edge.gateway.declared import Verdict
from orchestrator.edge.run.api import EngineState

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0)
STATES = ("stopped", "starting", "ready", "draining", "failed", "external")


class Histogram:
    """Counts by bucket of SECONDS and beyond."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative, as Prometheus has them."""
        found, below = [], 0
        for edge, count in zip((*SECONDS, "+Inf"), self.counts, strict=True):
            below += count
            found.append((str(edge), float(below)))
        return found


class Series:
    """One model on one route."""

    __slots__ = ("first", "latency", "statuses")

    def __init__(self) -> None:
        self.statuses: dict[int, int] = {}
        self.latency = Histogram()
        self.first = Histogram()

    def done(self, status: int, seconds: float, first: float | None) -> None:
        """A request ended; seconds since its last byte came in, first: the same at the stream's first byte out."""
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.latency.add(seconds)
        if first is not None:
            self.first.add(first)


class Metrics(Collector):
    """states: the supervisor's, asked for at each scrape; waiting: bytes of answers that wait to be counted."""

    def __init__(self, states: Callable[[], Iterable[EngineState]]) -> None:
        self._states = states
        self._series: dict[tuple[str, str], Series] = {}
        self.tokens: dict[tuple[str, str], int] = {}
        self.tool_calls: dict[tuple[str, str], int] = {}
        self.tool_faults: dict[tuple[str, str], int] = {}
        self.dropped = 0
        self.retries = 0
        self.waiting: Callable[[], int] = lambda: 0
        self.clients: Callable[[], int] = lambda: 0
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def series(self, model: str, route: str) -> Series:
        key = (model, route)
        found = self._series.get(key)
        if found is None:
            found = self._series[key] = Series()
        return found

    def add_tokens(self, model: str, kind: str, count: int) -> None:
        self.tokens[model, kind] = self.tokens.get((model, kind), 0) + count

    def add_tool_call(self, model: str, verdict: Verdict) -> None:
        key = (model, verdict if verdict in ("valid", "unchecked") else "invalid")
        self.tool_calls[key] = self.tool_calls.get(key, 0) + 1
        if key[1] == "invalid":
            self.tool_faults[model, verdict] = self.tool_faults.get((model, verdict), 0) + 1

    def calls_of(self, model: str) -> dict[str, int]:
        """Tool calls in answers of a model; then, where there are any, those that are invalid by reason."""
        found = {verdict: self.tool_calls.get((model, verdict), 0) for verdict in ("valid", "invalid", "unchecked")}
        return found | {why: count for (name, why), count in self.tool_faults.items() if name == model}

    def requests_of(self, model: str) -> int:
        """How many requests for a model have ended, however."""
        return sum(sum(series.statuses.values()) for (name, _), series in self._series.items() if name == model)

    def add(self, collector: Collector) -> None:
        """Shows what another part counts."""
        self._registry.register(collector)

    def text(self) -> bytes:
        """Prometheus text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        yield from self._requests()
        yield _counter("stack_tokens", "Tokens that engines reported", ("model", "kind"), self.tokens)
        yield _counter("stack_tool_calls", "Tool calls in answers", ("model", "verdict"), self.tool_calls)
        yield _counter("stack_invalid_tool_calls", "Why they are invalid", ("model", "reason"), self.tool_faults)
        yield CounterMetricFamily("stack_uncounted_answers", "Not looked into: counting was behind", value=self.dropped)
        yield CounterMetricFamily("stack_retries", "Requests sent again on a fresh connection", value=self.retries)
        yield GaugeMetricFamily("stack_uncounted_bytes", "Answers that wait to be counted", value=self.waiting())
        yield GaugeMetricFamily("stack_client_connections", "Open connections of clients", value=self.clients())
        yield from self._engines()

    def _requests(self) -> Iterator[Metric]:
        requests = CounterMetricFamily("stack_requests", "Requests", labels=("model", "route", "status"))
        latency = HistogramMetricFamily("stack_request_seconds", "Request in to answer out", labels=("model", "route"))
        first = HistogramMetricFamily("stack_first_byte_seconds", "Streams: to byte one", labels=("model", "route"))
        for key, series in self._series.items():
            for status, count in series.statuses.items():
                requests.add_metric((*key, str(status)), count)
            latency.add_metric(key, series.latency.buckets(), series.latency.total)
            if any(series.first.counts):
                first.add_metric(key, series.first.buckets(), series.first.total)
        yield from (requests, latency, first)

    def _engines(self) -> Iterator[Metric]:
        state = GaugeMetricFamily("stack_engine_state", "1 for the engine's state", labels=("model", "state"))
        active = GaugeMetricFamily("stack_engine_active", "Requests that run", labels=("model",))
        queued = GaugeMetricFamily("stack_engine_queued", "Requests that wait", labels=("model",))
        restarts = CounterMetricFamily("stack_engine_restarts", "Restarts after a failure", labels=("model",))
        for engine in self._states():
            for name in STATES:
                state.add_metric((engine.model, name), float(engine.state == name))
            active.add_metric((engine.model,), engine.active)
            queued.add_metric((engine.model,), engine.queued)
            restarts.add_metric((engine.model,), engine.restarts)
        yield from (state, active, queued, restarts)


def _counter(name: str, text: str, labels: tuple[str, str], values: dict[tuple[str, str], int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family
