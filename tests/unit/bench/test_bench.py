"""Every benchmark runs, with little to do, and what it finds can be told and judged."""

from __future__ import annotations

import json
from collections.abc import Iterator

import orjson
import pytest

from hack.bench import pods, report, rest
from hack.bench.benchmarks import BENCHMARKS, LAYER, Floor
from hack.bench.server import PodServer
from hack.bench.subjects import Figures

COUNT = 20
# those of "memory" are those of "list" with every allocation counted: one shows it
LEFT_OUT = {("memory", "client, typed"), ("memory", "client, json")}
MEASURED = {(name, subject) for name in BENCHMARKS.keys() - {"rest"} for subject in BENCHMARKS[name].subjects}


@pytest.fixture(scope="module")
def server() -> Iterator[PodServer]:
    with PodServer() as server:
        yield server


@pytest.mark.parametrize(("name", "subject"), sorted(MEASURED - LEFT_OUT))
def test_a_subject_gives_figures(server: PodServer, name: str, subject: str) -> None:
    benchmark = BENCHMARKS[name]
    url = server.url(objects=min(benchmark.objects, COUNT), events=min(benchmark.events, COUNT))
    figures = benchmark.subjects[subject](url, COUNT)
    assert {floor.figure for floor in benchmark.floors} <= figures.keys()
    assert all(isinstance(value, float) for value in figures.values())


@pytest.mark.parametrize("subject", [rest.of_the_layer, rest.of_the_official_client])
def test_rest_is_measured_after_all_work_is_done(server: PodServer, subject: rest.Resting) -> None:
    figures = subject(server.url(objects=COUNT), COUNT, rest_s=0.01, settle_s=0.0)
    assert figures["CPU s/min"] == pytest.approx(figures["% of a core"] * 0.6)


def test_pods_have_four_kilobytes_and_no_two_are_the_same() -> None:
    some = [pods.encoded(number, number + 1) for number in range(COUNT)]
    assert {len(pod) for pod in some} == {pods.SIZE}
    assert len({orjson.loads(pod)["metadata"]["name"] for pod in some}) == COUNT


def figures_of(layer: float, typed: float) -> dict[str, dict[str, list[Figures]]]:
    own = [{"events/s": layer}, {"events/s": layer * 100}, {"events/s": layer / 100}]
    return {"events": {LAYER: own, "kubernetes.watch, typed": [{"events/s": typed}]}}


def test_a_floor_is_judged_by_medians() -> None:
    assert report.broken_floors(figures_of(10_000, 1000)) == []
    assert report.broken_floors(figures_of(9999, 1000)) == [
        "Watch events decoded and stored: events/s ≥ 10 times that of kubernetes.watch, typed does not hold: 10"
    ]
    assert Floor("KiB", "≤", 20).holds({LAYER: {"KiB": 20.0}})
    assert not Floor("KiB", "≤", 20).holds({LAYER: {"KiB": 20.1}})


def test_the_report_tells_medians_and_ratios_and_the_json_every_repetition() -> None:
    measured = figures_of(20_000, 1000)
    assert "| kubernetes.watch, typed | 1,000 | 0.05 |" in report.as_markdown(measured)
    told = json.loads(json.dumps(report.as_json(measured)))
    assert told["benchmarks"]["events"]["medians"][LAYER] == {"events/s": 20_000}
    assert len(told["benchmarks"]["events"]["repetitions"][LAYER]) == 3
