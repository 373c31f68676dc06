"""The orders of `budget`: what they mean, and what a mistake is answered with."""

import pytest
from peewee import Database

from reports.commands.budget_orders import Order, carry_out, parse_order
from reports.errors import UsageError
from storage.coordination.budgets import budgets

DOLLAR = 1_000_000


@pytest.mark.parametrize(
    ("words", "order"),
    [
        ("", Order(what="list")),
        ("list", Order(what="list")),
        ("add 20/day", Order(what="add", soft=20 * DOLLAR)),
        (
            "add $1.50/Week agent:@claude HARD:3",
            Order(
                what="add",
                soft=1_500_000,
                period="week",
                dimension="agent",
                key="claude",
                hard=3 * DOLLAR,
            ),
        ),
        (
            "ADD 5/month channel:#ops Asia/Seoul",
            Order(
                what="add",
                soft=5 * DOLLAR,
                period="month",
                dimension="channel",
                key="ops",
                time_zone="Asia/Seoul",
            ),
        ),
        ("raise 3F2A1B 30", Order(what="raise", id="3f2a1b", soft=30 * DOLLAR)),
        (
            "raise 3f2a1b 30 hard:40",
            Order(what="raise", id="3f2a1b", soft=30 * DOLLAR, hard=40 * DOLLAR),
        ),
        ("remove 3f2a1b", Order(what="remove", id="3f2a1b")),
    ],
)
def test_an_order_is_parsed(words: str, order: Order) -> None:
    assert parse_order(words.split()) == order


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("delete 3f2a1b", "That is not a budget command"),
        ("add", "That is not a budget command"),
        ("raise 3f2a1b", "That is not a budget command"),
        ("list all of them", "That is not a budget command"),
        ("add 20", "'20' is not a limit: write 20/day"),
        ("add 20/year", "'20/year' is not a limit"),
        ("add twenty/day", "'twenty' is not an amount in dollars"),
        ("add -1/day", "'-1' is not an amount in dollars"),
        ("add 0/day", "an amount above 0"),
        ("add 20/day hard:10", "must not be below"),
        ("add 20/day hard:", "'' is not an amount"),
        ("add 20/day claude", "'claude' is not a part of a budget"),
        ("add 20/day agent:", "'agent:' is not a part of a budget"),
        ("add 20/day agent:claude user:U1", "for one agent, channel or person: leave user:U1 out"),
        ("add 20/day ../../etc/passwd", "is not a part of a budget"),
        ("raise 3f2a1b 30 40", "'40' is not a hard limit"),
    ],
)
def test_a_mistake_is_answered_with_the_right_form(words: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_order(words.split())


def order(database: Database, words: str) -> str:
    return carry_out(parse_order(words.split()), database, by="shell", now=1).text


def test_a_budget_without_a_hard_limit_gets_none_below_its_soft_one(database: Database) -> None:
    order(database, "add 40/day agent:claude")
    (budget,) = budgets(database)
    with pytest.raises(UsageError, match=r"which is \$40\.00"):
        order(database, f"raise {budget.id} 10 hard:25")
    assert budgets(database) == (budget,)


def test_a_budget_is_only_raised_and_its_hard_limit_stays_above(database: Database) -> None:
    told = order(database, "add 20/day agent:claude hard:25")
    (budget,) = budgets(database)
    assert told == (
        f"The budget {budget.id} is set: $20.00 a day, at most $25.00 for claude, in the time "
        "zone UTC."
    )
    refused = (
        ("10", "raise it to more"),
        ("30 hard:28", "must not be below the soft one, which is \\$30.00"),
        ("10 hard:19", "must not be below the soft one, which is \\$20.00"),
    )
    for less, why in refused:
        with pytest.raises(UsageError, match=why):
            order(database, f"raise {budget.id} {less}")
    assert "$30.00 a day, at most $30.00" in order(database, f"raise {budget.id} 30")
    assert "$30.00 a day, at most $50.00" in order(database, f"raise {budget.id} 30 hard:50")
    assert "$30.00 a day, at most $60.00" in order(database, f"raise {budget.id} 10 hard:60")
    assert "is removed" in order(database, f"remove {budget.id}")
    with pytest.raises(UsageError, match="There is no budget"):
        order(database, f"remove {budget.id}")
