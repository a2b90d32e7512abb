"""What monitoring is told to look at exists: every metric named in configs/monitoring and the operating guide is documented.

Where Prometheus' own program is there, it reads the configuration, runs the rules, and parses what the dashboard asks.
"""

from __future__ import annotations

import json
import re
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from tests.support.parts import promtool

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "configs" / "monitoring"
NAME = re.compile(r"\bgachi_[a-z0-9_]+\b")
KINDS = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}
NOT_METRICS = {"gachi_web", "gachi_connection", "gachi_coding"}
"""Names of nginx's configuration that a guide may quote."""


def documented() -> set[str]:
    """Names as Prometheus scrapes them."""
    found = set()
    rows = re.findall(
        r"^\| `(gachi_\w+)` \| (\w+) \|", (ROOT / "docs/metrics.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    for name, kind in rows:
        found |= {name + suffix for suffix in KINDS[kind]}
    return found


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((MONITORING / "grafana.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize(
    "path", ["configs/monitoring/grafana.json", "configs/monitoring/rules.yml", "docs/operating.md"]
)
def test_every_metric_that_is_named_exists(path: str) -> None:
    named = set(NAME.findall((ROOT / path).read_text(encoding="utf-8"))) - NOT_METRICS
    assert len(named) >= 4
    assert named - documented() == set()


def test_counters_are_drawn_as_rates_and_histograms_as_quantiles() -> None:
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            for name in NAME.findall(target["expr"]):
                if name.endswith("_total"):
                    assert re.search(rf"(rate|increase)\({name}", target["expr"]), target["expr"]
                if name.endswith("_bucket"):
                    assert "histogram_quantile" in target["expr"]


def test_the_dashboard_can_be_imported_and_nothing_in_it_overlaps() -> None:
    board = dashboard()
    assert board["uid"]
    assert {variable["name"] for variable in board["templating"]["list"]} == {"datasource", "channel"}
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}"
            assert all(target["expr"].count("(") == target["expr"].count(")") for target in panel["targets"])
    for one, other in combinations((panel["gridPos"] for panel in panels), 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)


def test_prometheus_is_pointed_at_the_port_that_is_the_default() -> None:
    text = (MONITORING / "prometheus.yml").read_text(encoding="utf-8")
    assert '["127.0.0.1:8080"]' in text
    assert "rules.yml" in text


def _promtool(*arguments: str) -> str:
    """Run it; what it says where it is content."""
    program = promtool()
    if program is None:
        pytest.skip("rules and dashboard are not read by Prometheus' own program: there is no promtool")
    done = subprocess.run(
        [program, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.peer
def test_prometheus_takes_the_configuration_with_its_rules() -> None:
    assert "rules found" in _promtool("check", "config", "configs/monitoring/prometheus.yml")


@pytest.mark.peer
def test_each_rule_alerts_when_it_should_and_not_otherwise() -> None:
    rules = (MONITORING / "rules.yml").read_text(encoding="utf-8")
    tests = (ROOT / "tests/architecture/rules_test.yml").read_text(encoding="utf-8")
    alerts = set(re.findall(r"- alert: (\w+)", rules))
    assert len(alerts) >= 5
    assert set(re.findall(r"alertname: (\w+)\n\s+exp_alerts", tests)) == alerts, "each is seen to alert"
    assert "SUCCESS" in _promtool("test", "rules", "tests/architecture/rules_test.yml")


@pytest.mark.peer
def test_what_the_dashboard_asks_is_promql(tmp_path: Path) -> None:
    asked = [target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", ())]
    assert len(asked) >= 10
    rules = [
        {"record": f"asked:{number}", "expr": expr.replace("$channel", "main")}
        for number, expr in enumerate(asked)
    ]
    path = tmp_path / "asked.yml"  # JSON is YAML
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
    assert f"{len(asked)} rules found" in _promtool("check", "rules", str(path))
