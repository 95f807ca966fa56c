"""What /metrics shows of the probe: each model's mark, when it was proven last, how probes in the background ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from orchestrator.core.launch import Launch
from orchestrator.edge.probe.verdicts import Mark, Verdicts
from orchestrator.edge.probe.watcher import Watcher


class ProbeMetrics(Collector):
    def __init__(self, launches: Sequence[Launch], verdicts: Verdicts, watcher: Watcher) -> None:
        self._launches = launches
        self._verdicts = verdicts
        self._watcher = watcher

    def collect(self) -> Iterator[Metric]:
        marks = GaugeMetricFamily("stack_tools", "1 for how the tool path was proven", labels=("model", "tools"))
        times = GaugeMetricFamily("stack_tools_probed_timestamp_seconds", "Last verdict, unix time", labels=("model",))
        ended = CounterMetricFamily("stack_background_probes", "Probes of idle models", labels=("model", "outcome"))
        for launch in self._launches:
            mark = self._verdicts.mark(launch)
            for name in get_args(Mark):
                marks.add_metric((launch.model, name), float(name == mark))
            if (probed := self._verdicts.probed(launch)) is not None:
                times.add_metric((launch.model,), probed)
        for key, count in self._watcher.outcomes.items():
            ended.add_metric(key, count)
        yield from (marks, times, ended)
