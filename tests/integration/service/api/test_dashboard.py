"""The example dashboard for Grafana and the example for Prometheus."""

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from detector.errors import MediaError
from detector.models import registry
from service.context import Scope
from tests.integration.service.api.test_keys import away

DEPLOY = Path(__file__).parents[4] / "deploy"
GRAFANA = json.loads((DEPLOY / "grafana.json").read_text("utf-8"))
SCRAPER = {"job", "instance"}
"""Labels that Prometheus itself puts on."""
FUNCTIONS = {"sum", "min", "rate", "increase", "by", "histogram_quantile", "or", "vector"}
OFFERED = {
    "unmask_tasks": {"kind": {"analysis"}, "state": {"queued", "running"}},
    "unmask_errors_total": {"ours": {"true", "false"}},
    "unmask_stage_seconds_bucket": {"stage": {"total"}},
    "unmask_stage_seconds_sum": {"stage": {"total"}},
    "unmask_stage_seconds_count": {"stage": {"total"}},
}
"""Values that the queries may ask a label for; each was looked for in the code that sets it."""


def queries():
    """Title, query and legend of every line of every panel."""
    for panel in GRAFANA["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"], target["legendFormat"]


@pytest.fixture
def told(client, analyzer, monkeypatch):
    """The labels of each figure of a server at which everything happened once."""
    monkeypatch.setattr(registry, "loaded", lambda: [("texture", "cpu", 1000)])
    sent: dict[str, Any] = {"params": {"wait": 60}, "files": {"file": ("a.mp4", b"clip")}}
    for _time in range(2):
        client.post("/v1/analyses", **sent)
    analyzer.error = MediaError("No video.", code="not_media")
    client.post("/v1/analyses", params={"wait": 60}, files={"file": ("b.mp4", b"other")})
    labels: dict[str, set[str]] = defaultdict(set)
    for family in text_string_to_metric_families(client.get("/metrics").text):
        for sample in family.samples:
            labels[sample.name] |= set(sample.labels)
    return labels


def named(query):
    """The figures of a query, with the labels that it asks each for."""
    found: dict[str, set[str]] = {}
    for name, asked in re.findall(r"\b([a-z_]+(?:_[a-z]+)+)\b(?:\{([^}]*)\})?", query):
        if name not in FUNCTIONS:
            found.setdefault(name, set()).update(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", asked))
    return found


def test_every_query_names_figures_and_labels_that_there_are(told):
    seen: set[str] = set()
    for title, query, legend in queries():
        figures = named(query)
        assert figures, (title, query)
        grouped = {
            label.strip()
            for group in re.findall(r"\bby \(([^)]*)\)", query)
            for label in group.split(",")
        }
        for name, asked in figures.items():
            assert name in told, f"{title}: there is no {name}"
            assert asked - SCRAPER <= told[name], f"{title}: {asked - told[name]} of {name}"
            assert grouped <= told[name] | SCRAPER, f"{title}: {grouped - told[name]} of {name}"
        shown = set(re.findall(r"\{\{(\w+)\}\}", legend))
        assert shown <= (grouped or SCRAPER), f"{title}: {legend} is not in what is left"
        seen |= set(figures)
    ours = {name for name in told if name.startswith("unmask_") and not name.endswith("_created")}
    histograms = {name for name in ours if name.endswith(("_sum", "_count", "_bucket"))}
    assert ours - histograms <= seen, "a figure that no panel shows"


def test_values_that_are_asked_for_are_given(client, told):
    values: dict[tuple[str, str], set[str]] = defaultdict(set)
    for family in text_string_to_metric_families(client.get("/metrics").text):
        for sample in family.samples:
            for label, value in sample.labels.items():
                values[sample.name, label].add(value)
    for title, query, _legend in queries():
        for name, asked in re.findall(r"\b([a-z_]+)\{([^}]*)\}", query):
            for label, value in re.findall(r'(\w+)!?="([^"]*)"', asked):
                known = values[name, label] | OFFERED.get(name, {}).get(label, set())
                assert value in known, f"{title}: {label}={value} of {name}"


def test_it_is_a_dashboard_that_grafana_takes():
    assert GRAFANA["uid"] == "unmask" and GRAFANA["schemaVersion"] >= 39
    ids = [panel["id"] for panel in GRAFANA["panels"]]
    assert len(set(ids)) == len(ids)
    variables = {one["name"] for one in GRAFANA["templating"]["list"]}
    for title, query, _legend in queries():
        assert query.count("(") == query.count(")"), title
        assert set(re.findall(r"\$(?!_)(\w+)", query)) <= variables
    taken: set[tuple[int, int]] = set()
    for panel in GRAFANA["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken and place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells


def test_prometheus_is_let_in_as_its_example_says(url, application):
    (job,) = yaml.safe_load((DEPLOY / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    key = application.keys.add("prometheus", (Scope.METRICS,))[1]
    assert job["authorization"]["type"] == "Bearer"
    with away(url, key) as scraper:
        answer = scraper.get(job["metrics_path"])
    assert answer.status_code == 200 and "unmask_disk_free_bytes" in answer.text
