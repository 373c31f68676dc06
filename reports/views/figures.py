"""The figures of platforms, agents and providers as text: their own, beside counts and cost."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from reports import formatting
from storage.model.figures import KINDS, Kind, kind_of
from storage.model.retention import OTHERS
from storage.queries.figures import Figure, Figures, Source
from storage.queries.statistics import Group

SOURCES: tuple[Source, ...] = ("platform", "agent", "provider")
"""The dimensions of statistics that have figures of their own."""

ORDER = {kind: place for place, kind in enumerate(KINDS.values())}
FIGURE = ("key", "group", "name", "count", "p50", "p95", "mean", "unit", "share")
"""The raw values of a figure, for programs."""

SMALLEST = 0.005
"""A smaller share would be shown as 0%."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureLine:
    """One figure as text; `group` is the platform, agent or provider that it is of."""

    group: str
    name: str
    count: str
    p50: str
    p95: str
    share: str
    figure: Figure

    @property
    def values(self) -> tuple[str | float | None, ...]:
        """The raw values of `FIGURE`. Times are in milliseconds."""
        figure, (kind, group, _) = self.figure, kind_of(self.figure.key)
        scale, unit = (1e6, "ms") if kind.unit == "ns" else (1, kind.unit)
        found = (value and value / scale for value in (figure.p50, figure.p95, figure.mean))
        return (figure.key, group, self.name, figure.count, *found, unit, figure.share)


def figure_lines(found: Figures, groups: Sequence[Group]) -> Iterator[FigureLine]:
    """Yield figures in the order of the *groups* that they are of, and within it by kind."""
    derived = _contexts(groups) if found.of == "agent" else ()
    ranks = {group.key: rank for rank, group in enumerate(groups)}
    shown = [*derived, *(figure for figure in found.figures if not _is_answer(figure))]

    def order(figure: Figure) -> tuple[int, str, int, bool, int]:
        kind, group, name = kind_of(figure.key)
        return ranks.get(group, len(ranks)), group, ORDER[kind], name == OTHERS, -figure.count

    return map(_line, sorted(shown, key=order))


def _is_answer(figure: Figure) -> bool:
    begins, _, reason = figure.key.rpartition(":")
    return begins == "slack:skipped" and reason in formatting.ANSWERED


def _contexts(groups: Sequence[Group]) -> Iterator[Figure]:
    """Yield how much agents were given in a turn, and the share that their caches had."""
    for group in groups:
        if group.key and group.traces and group.input_tokens:
            yield Figure(
                key=f"agent:{group.key}:context",
                count=group.traces,
                share=min(group.cached_tokens / group.input_tokens, 1.0),
                mean=group.input_tokens / group.traces,
            )


def _line(figure: Figure) -> FigureLine:
    kind, group, name = kind_of(figure.key)
    if figure.key.startswith("slack:skipped:"):
        name = formatting.reason(name)
    named = kind.name.replace("*", {OTHERS: "others", "": "an unknown model"}.get(name, name))
    return FigureLine(
        group=formatting.plain(group),
        name=formatting.plain(named),
        count=f"{figure.count:,}",
        p50=_value(figure.p50, kind),
        p95=_value(figure.p95, kind),
        share=", ".join(_remarks(figure, kind)),
        figure=figure,
    )


def _remarks(figure: Figure, kind: Kind) -> Iterable[str]:
    if figure.mean is not None:
        yield f"mean {_value(figure.mean, kind)}"
    if figure.share and figure.share >= SMALLEST:
        yield f"{figure.share:.0%} {kind.marked}"


def _value(value: float | None, kind: Kind) -> str:
    if value is None or kind.unit is None:
        return ""
    if kind.unit == "ns":
        return formatting.duration(value)
    if kind.unit == "tokens":
        return f"{formatting.tokens(round(value))} tokens"
    count = round(value)
    return f"{count:,} {kind.unit if count != 1 else kind.unit.removesuffix('s')}"
