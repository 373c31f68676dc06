"""The words of an alert's rule: what they mean, and which word is wrong."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reports.alerts.grammar import (
    Condition,
    condition_text,
    parse_condition,
    stored_condition,
)
from reports.alerts.measures import HOUR_NS, MEASURES
from reports.errors import UsageError


@pytest.mark.parametrize(
    ("words", "stored"),
    [
        ("error_rate>20%", "error_rate>20% over:1h"),
        (
            "warn:10% over:2h agent:@claude Error_Rate>20",
            "error_rate>20% agent:claude over:2h warn:10%",
        ),
        ("error_rate&gt;12.5%", "error_rate>12.5% over:1h"),
        ("count＜10 warn:20", "count<10 over:1h warn:20"),
        ("p95>1.5s channel:#ops", "p95>1500ms channel:ops over:1h"),
        ("cost>$5 user:@U1 over:7d", "cost>5 user:U1 over:7d"),
        ("tokens>1.5M all", "tokens>1500000 over:1h"),
        ("thumbs_down>30% over:1d", "thumbs_down>30% over:24h"),
        ("running>15m agent:claude", "running>15m agent:claude"),
        ("no_data agent:claude over:6h", "no_data agent:claude over:6h"),
        ("agent_check", "agent_check"),
        ("database", "database"),
    ],
)
def test_a_rule_is_stored_in_one_form(words: str, stored: str) -> None:
    assert condition_text(parse_condition(words.split())) == stored
    assert condition_text(parse_condition(stored.split())) == stored


@pytest.mark.parametrize("word", ["agent:my agent", "agent: x", "agent:@", "channel:#a b"])
def test_a_name_that_could_not_be_read_again_is_not_stored(word: str) -> None:
    """One rule that cannot be read would keep all others from being evaluated."""
    with pytest.raises(UsageError, match="is not a name") as refused:
        condition_text(parse_condition(["count>0", word]))
    assert refused.value.word in word


@pytest.mark.parametrize(
    ("words", "wrong", "said"),
    [
        ("eror_rate>20%", "eror_rate>20%", "did you mean error_rate"),
        ("error_rate>20% agnt:claude", "agnt:claude", "did you mean agent"),
        ("error_rate>200%", "error_rate>200%", "is not a share"),
        ("error_rate", "error_rate", "write error_rate>20%"),
        ("database>3", "database>3", "write database alone"),
        ("p95>fast", "p95>fast", "is not a length of time"),
        ("cost>5 count>3", "count>3", "is a second measure"),
        ("cost>5 over:90m", "over:90m", "whole minutes from 5m to 59m"),
        ("cost>5 over:4m", "over:4m", "whole minutes from 5m to 59m"),
        ("cost>5 over:31d", "over:31d", "whole hours from 1h to 30d"),
        ("first_token>5s over:25h", "over:25h", "whole hours from 1h to 24h"),
        ("cost>5 over:soon", "over:soon", "is not a period"),
        ("cost>5 warn:6", "warn:6", "must be below"),
        ("count<5 warn:5", "warn:5", "must be above"),
        ("no_data warn:5", "warn:5", "has no limit"),
        ("running>5m over:1h", "over:1h", "this moment only"),
        ("database agent:claude", "agent:claude", "does not take"),
        ("agent_check user:U1", "user:U1", "does not take"),
        ("cost>5 agent:a user:U1", "user:U1", "one agent, one channel or one person"),
        ("cost>5 agent:a agent:b", "agent:b", "given twice"),
        ("cost>5 agent:", "agent:", "has no value"),
        ("agent:claude", "", "has no measure"),
        (f"cost>5 agent:ghp_{'a1B2' * 9}", "", "looks like a secret"),
        ("", "", "has no measure"),
    ],
)
def test_a_wrong_rule_is_refused_with_the_word_that_is_wrong(
    words: str, wrong: str, said: str
) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        parse_condition(words.split())
    assert caught.value.word == wrong


LIMITS = {
    "error_rate": st.integers(1, 100_000).map(lambda number: number / 100_000),
    "thumbs_down": st.integers(1, 1_000).map(lambda number: number / 1_000),
    "p95": st.integers(1, 10**7).map(lambda ms: ms * 1_000_000),
    "first_token": st.integers(1, 10**7).map(lambda ms: ms * 1_000_000),
    "running": st.integers(1, 10**5).map(lambda s: s * 1_000_000_000),
}

WINDOWS = st.integers(1, 24).map(lambda hours: hours * HOUR_NS) | st.integers(5, 59).map(
    lambda minutes: minutes * HOUR_NS // 60
)


@given(st.data())
def test_what_is_written_is_read_as_the_same_rule(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(MEASURES)))
    measure = MEASURES[name]
    limits = LIMITS.get(name, st.integers(1, 10**6)) if measure.example else st.just(0)
    low, high = sorted((data.draw(limits), data.draw(limits)))
    above = data.draw(st.booleans()) or not measure.example
    warned = measure.example and low < high and data.draw(st.booleans())
    dimension = data.draw(st.sampled_from(("all", *measure.of)))
    condition = Condition(
        measure=name,
        above=above,
        limit=high if above else low,
        warning=(low if above else high) if warned else None,
        dimension=dimension,
        key="" if dimension == "all" else "some-name",
        window_ns=data.draw(WINDOWS) if measure.window_ns else 0,
    )
    read = parse_condition(condition_text(condition).split())
    assert condition_text(read) == condition_text(condition)
    assert (read.dimension, read.key, read.window_ns) == (
        dimension,
        condition.key,
        condition.window_ns,
    )
    assert read.limit == pytest.approx(condition.limit)
    assert read.warning == pytest.approx(condition.warning)


@given(
    st.sampled_from([name for name in MEASURES if MEASURES[name].example]),
    st.from_regex(r"\$?[0-9]{0,20}(\.[0-9]{1,12})?(%|ms|min|[smhdwkM])?", fullmatch=True),
)
@example("tokens", "10000000M")
@example("p95", "1000000.5s")
@example("cost", "999999999999.999999")
def test_every_limit_that_is_taken_can_be_read_again(name: str, limit: str) -> None:
    try:
        condition = parse_condition([f"{name}>{limit}"])
    except UsageError:
        return
    read = stored_condition(condition_text(condition))
    assert read.limit == pytest.approx(condition.limit)
