"""compose/companions.yaml and what it mounts: read by compose, and held to what the gateway really counts."""

from __future__ import annotations

import json
import os
import re
import subprocess
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from orchestrator.core.targets.compose import GATEWAY
from orchestrator.edge.gateway.metrics import Metrics
from orchestrator.edge.probe.metrics import ProbeMetrics
from tests import components
from tests.components import REPOSITORY

FOLDER = REPOSITORY / "compose"


def test_every_metric_of_the_dashboard_is_one_that_the_gateway_has() -> None:
    metrics = Metrics(lambda: ())
    metrics.add(ProbeMetrics((), cast(Any, None), cast(Any, SimpleNamespace(outcomes={}))))
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", metrics.text().decode(), re.MULTILINE))
    known = {f"{name}_bucket" if kind == "histogram" else name for name, kind in kinds.items()}
    dashboard = json.loads((FOLDER / "grafana" / "dashboards" / "stack.json").read_text())
    asked = {target["expr"] for panel in dashboard["panels"] for target in panel["targets"]}
    used = {name for text in asked for name in re.findall(r"stack_\w+", text)}
    assert used
    assert used <= known
    (variable,) = dashboard["templating"]["list"]
    assert set(re.findall(r"stack_\w+", variable["definition"])) <= known


def test_prometheus_asks_the_gateway_and_grafana_asks_prometheus() -> None:
    (job,) = yaml.safe_load((FOLDER / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"{GATEWAY}:8484"]}]
    provisioning = FOLDER / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())["datasources"]
    dashboard = json.loads((FOLDER / "grafana" / "dashboards" / "stack.json").read_text())
    assert source["url"] == "http://prometheus:9090"
    assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == {source["uid"]}
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "stack.yaml").read_text())["providers"]
    companions = yaml.safe_load((FOLDER / "companions.yaml").read_text())
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in companions["services"]["grafana"]["volumes"]


@pytest.mark.component("compose")
def test_compose_reads_the_companions_and_publishes_nothing_beyond_loopback() -> None:
    argv = [str(components.find("compose")), "-f", str(FOLDER / "companions.yaml"), "--profile", "*", "config"]
    env = {key: value for key, value in os.environ.items() if not key.startswith("COMPOSE_")}
    named = subprocess.run(
        [*argv, "--format", "json"], capture_output=True, text=True, env=env | {"STACK_NAME": "t"}, check=False
    )
    assert (named.returncode, named.stderr) == (0, "")
    made = json.loads(named.stdout)
    assert made["networks"]["default"] == {"name": "stack-t", "ipam": {}, "external": True}
    assert {one["profiles"][0] for one in made["services"].values()} == {"metrics", "chat"}
    published = [port["host_ip"] for one in made["services"].values() for port in one["ports"]]
    assert published == ["127.0.0.1"] * 3
    unnamed = subprocess.run(argv, capture_output=True, text=True, env=env, check=False)
    assert "the stack's name" in unnamed.stderr
