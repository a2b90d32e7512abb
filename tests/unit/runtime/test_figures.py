from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from runtime.figures import counter, gauge, watched


def test_figures_are_read_at_the_scrape_and_gone_with_what_they_are_of() -> None:
    registry, parts = CollectorRegistry(), {"a": 1}

    def read() -> Iterator[Metric]:
        yield counter("gachi_test_parts_total", "Parts.", {(key,): n for key, n in parts.items()}, "kind")
        yield gauge("gachi_test_speed", "Speed.", 0.5)

    with watched(read, registry=registry):
        parts["a"], parts["b"] = 2, 3
        assert registry.get_sample_value("gachi_test_parts_total", {"kind": "a"}) == 2
        assert registry.get_sample_value("gachi_test_parts_total", {"kind": "b"}) == 3
        families = list(text_string_to_metric_families(generate_latest(registry).decode()))
        assert [(each.name, each.type) for each in families] == [
            ("gachi_test_parts", "counter"),
            ("gachi_test_speed", "gauge"),
        ]
    assert generate_latest(registry) == b""


def test_one_that_fails_leaves_the_others() -> None:
    registry = CollectorRegistry()

    def broken() -> Iterator[Metric]:
        yield gauge("gachi_test_half", "Half of a reading is none.", 1)
        raise RuntimeError("gone")

    with watched(broken, lambda: [gauge("gachi_test_speed", "Speed.", 1)], registry=registry):
        assert registry.get_sample_value("gachi_test_speed") == 1
        assert registry.get_sample_value("gachi_test_half") is None
