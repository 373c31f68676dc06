"""Write times and costs in the units of JSON's fields."""


def milliseconds(ns: float | None) -> float | None:
    return None if ns is None else round(ns / 1_000_000, 3)


def dollars(micro_dollars: int | None) -> float | None:
    return None if micro_dollars is None else micro_dollars / 1_000_000
