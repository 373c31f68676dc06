"""The filter of noise remembers a bounded number of recent spans."""

from storage.model.span import Span
from storage.otlp.noise import REMEMBERED, NoiseFilter
from storage.otlp.scope import Resource
from storage.otlp.sources import source_of


def test_a_span_that_ends_after_ten_thousand_others_is_looked_at_again() -> None:
    sender, noise = Resource("opencode", source_of("opencode"), None), NoiseFilter()
    spans = [Span("a" * 32, f"{number:016x}", "x", 1) for number in range(REMEMBERED + 1)]
    for start in range(0, REMEMBERED, 500):
        noise.kept(sender, spans[start : start + 500])
    assert noise.remembered == REMEMBERED
    assert noise.kept(sender, [spans[0], spans[REMEMBERED]]) == []
    assert noise.remembered == REMEMBERED
