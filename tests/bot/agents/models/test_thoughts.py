"""A model's thoughts are not part of its answer, however it is cut into pieces."""

import pytest

from bot.agents.models.thoughts import ThoughtFilter, without_thoughts


@pytest.mark.parametrize("step", [1, 2, 3, 7, 100])
@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("<think>\nHm, a </thin> …\n</think>\n\nYes.", "Yes."),
        ("\n<think></think>\n\n```py\nx\n```", "```py\nx\n```"),
        ("<think>a</think>\n<think>b</think>\nYes.", "Yes."),
        ("<think>not done", ""),
        ("<thi", None),
        ("<thinking> is a tag", None),
        ("    code\n<think>x</think>", None),
        ("Write `<think>` and `</think>`.", None),
        ("Hm.\n</think>\n\n    code", "    code"),
        ("Hm, `</think>` ends it.\n</think> is a tag.", None),
        ("```\n<think>\n</think>\n```", None),
        (" ", None),
        ("", None),
    ],
)
def test_only_the_answer_is_shown(said: str, shown: str | None, step: int) -> None:
    thoughts = ThoughtFilter()
    pieces = [said[start : start + step] for start in range(0, len(said), step)]
    answer = without_thoughts("".join([*map(thoughts.add, pieces), thoughts.held]))
    assert answer == (said if shown is None else shown)
