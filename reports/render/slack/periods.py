"""Buttons that show the same command for another period."""

from reports.render.block_kit import RUN, Block, button

PERIODS = ("24h", "7d", "30d")


def period_buttons(command: str, shown: str) -> list[Block]:
    """Return a button for each period; that of the period *shown* is marked."""
    buttons = [button(each, f"{RUN}_{each}", f"{command} --since {each}") for each in PERIODS]
    marked = {"style": "primary"}
    return [
        made | (marked if each == shown else {})
        for each, made in zip(PERIODS, buttons, strict=True)
    ]
