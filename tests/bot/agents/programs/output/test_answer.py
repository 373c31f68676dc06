"""The answer of a long turn is what its agent said last."""

import pytest

from bot.agents.programs.output.answer import MAX_CHARACTERS, ParsedAnswer
from bot.agents.types import Progress


@pytest.mark.parametrize("blank", ["", " "])
def test_remarks_of_any_length_do_not_cost_the_answer(blank: str) -> None:
    told: list[Progress] = []
    answer = ParsedAnswer(on_progress=told.append)
    for _ in range(3):
        answer.say("x" * 600_000)
        answer.use(None, "Bash")
    answer.say("It is mended.")
    answer.begin()
    answer.say(blank)
    assert answer.text() == "It is mended."
    assert sum(len(each.text or "") for each in told) < MAX_CHARACTERS + 600_000


def test_a_result_after_long_remarks_is_not_called_cut() -> None:
    answer = ParsedAnswer(on_progress=lambda _: None)
    answer.say("x" * (MAX_CHARACTERS + 1))
    assert answer.text().endswith("[The answer was longer and is cut here.]")
    answer.final_text = "It is mended."
    assert answer.text() == "It is mended."
