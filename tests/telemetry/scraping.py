"""``/metrics`` as Prometheus reads it."""

from dataclasses import dataclass

import aiohttp
from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True, slots=True)
class Scrape:
    """One exposition. ``types`` and ``labels`` are by family, a counter's without ``_total``."""

    text: str
    types: dict[str, str]
    labels: dict[str, set[str]]
    samples: dict[tuple[str, frozenset[tuple[str, str]]], float]

    def value(self, name: str, **labels: str) -> float | None:
        """One sample; None where there is none with exactly these labels."""
        return self.samples.get((name, frozenset(labels.items())))

    def series(self, name: str) -> dict[frozenset[tuple[str, str]], float]:
        """All samples of one name, by their labels."""
        return {labels: value for (of, labels), value in self.samples.items() if of == name}

    def paths(self) -> set[str]:
        """Every value of the label ``path``."""
        return {value for _, labels in self.samples for label, value in labels if label == "path"}


def read(text: str) -> Scrape:
    """Fails where a series stands twice."""
    types: dict[str, str] = {}
    labels: dict[str, set[str]] = {}
    samples: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for family in text_string_to_metric_families(text):
        types[family.name] = family.type
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in samples, f"twice: {key}"
            samples[key] = sample.value
            labels.setdefault(family.name, set()).update(sample.labels.keys() - {"le"})
    return Scrape(text, types, labels, samples)


async def scrape(http: aiohttp.ClientSession) -> Scrape:
    async with http.get("/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        return read(await response.text())
