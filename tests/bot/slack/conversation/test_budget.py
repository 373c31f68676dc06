"""Which messages of a long conversation an agent is given."""

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.slack.conversation.budget import OVERHEAD, chosen, longest, shortened


def test_a_conversation_that_fits_is_kept_whole() -> None:
    assert chosen(["a", "b", "c"], "?", most=3 + 3 * OVERHEAD) == [0, 1, 2]
    assert chosen([], "?", most=1_000) == []


def test_the_first_the_newest_and_what_is_about_the_question_are_kept() -> None:
    texts = [f"message number {n} of some idle talk" for n in range(1_500)]
    texts[0] = "The build of the shop fails."
    texts[700] = "Postgres ran out of connections on web-3."
    texts[701] = "데이터베이스 배포가 실패했습니다"
    kept = chosen(texts, "what about the Postgres connections? 배포는?", most=10_000)
    assert {0, 700, 701, 1_499} <= set(kept)
    assert kept[-50:] == list(range(1_450, 1_500))
    assert sum(len(texts[n]) + OVERHEAD for n in kept) <= 10_000


def test_words_that_everybody_uses_say_nothing() -> None:
    texts = [f"the server is slow {n:04}" for n in range(1_000)]
    assert chosen(texts, "is the server slow?", most=8_000)[1:] == list(range(905, 1_000))


def test_of_one_huge_message_the_middle_is_left_out() -> None:
    most = 1_000
    text = "a" * 3_000 + "middle" + "z" * 3_000
    short = shortened(text, longest(most))
    assert len(short) <= longest(most)
    assert short.startswith("aaa") and short.endswith("zzz") and "middle" not in short
    assert "characters are left out here" in short
    assert chosen([text, text], "?", most=most) == [0, 1]


@settings(max_examples=40)
@given(
    st.lists(st.integers(0, 3_000).map(lambda size: "x" * size), min_size=1, max_size=60),
    st.integers(1_000, 20_000),
)
def test_the_budget_is_kept_and_so_are_the_first_and_the_last(texts: list[str], most: int) -> None:
    kept = chosen(texts, "question", most=most)
    assert kept == sorted(set(kept))
    assert kept[0] == 0 and kept[-1] == len(texts) - 1
    given_ = [shortened(texts[n], longest(most)) for n in kept]
    assert sum(len(text) + OVERHEAD for text in given_) <= most
