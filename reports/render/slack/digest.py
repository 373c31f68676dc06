"""A digest: one period in a few sentences, with what failed in it."""

from reports.render.block_kit import KEY, Block, clipped, context, escape, header, section
from reports.render.slack.trace_list import trace_lines
from reports.views.digest import DigestView
from reports.views.statistics import StatsLine


def digest(view: DigestView) -> list[Block]:
    if view.quiet:
        return [header(view.title), section("No agent was asked.")]
    total = view.total
    facts = (
        f"*{total.traces}* turns · *{total.errors}* failed ({total.error_rate}) · "
        f"half within *{total.p50}*, 95% within *{total.p95}* · cost {total.cost}"
    )
    blocks = [header(view.title), section(facts)]
    if view.agents:
        blocks += _agents(view.agents)
    if view.skipped:
        left = ", ".join(f"{count} because {why}" for why, count in view.skipped)
        blocks.append(context(escape(f"Skipped: {left}.")))
    if view.dropped:
        blocks.append(
            context(f"⚠ {view.dropped:,} records could not be stored: see `/trace health`.")
        )
    return [*blocks, *trace_lines(view.failed)]


def _agents(lines: tuple[StatsLine, ...]) -> list[Block]:
    said = [
        f"*{clipped(escape(line.key), KEY)}*  {line.traces} turns, {line.errors} failed, "
        f"p50 {line.p50}, p95 {line.p95}, cost {line.cost}"
        for line in lines[:20]
    ]
    return [section("\n".join(said))]
