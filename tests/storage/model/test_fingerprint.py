"""The same error with other ids is the same issue; another error is another one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.model.fingerprint import READ, fingerprint, normalised

VALUES = {
    "number": st.integers(0, 10**12).map(str) | st.floats(0, 1e6).map(lambda n: f"{n:.3f}"),
    "uuid": st.uuids().map(str),
    "hex": st.binary(min_size=8, max_size=20).map(bytes.hex),
    "id": st.from_regex(r"req_[0-9]{2}[A-Za-z0-9]{10,20}", fullmatch=True),
    "path": st.lists(
        st.from_regex(r"[a-z][\w.-]{0,12}", fullmatch=True), min_size=1, max_size=4
    ).map(lambda parts: "/" + "/".join(parts)),
    "quoted": st.text(st.characters(exclude_characters='"\n', codec="utf-8"), max_size=40).map(
        lambda text: f'"{text}"'
    ),
    "time": st.datetimes().map(lambda at: at.isoformat(timespec="seconds")),
    "link": st.from_regex(r"https://[a-z]{1,12}\.example/[a-z0-9/]{0,20}", fullmatch=True),
}
"""What differs each time, by kind."""

words = st.lists(
    st.sampled_from(
        ["the", "model", "of", "file", "cannot", "read", "took", "too", "long", "gone"]
    ),
    min_size=1,
)


def issue(message: str, **other: str) -> str:
    of = {"team": "T1", "error_type": "crash", "agent": "claude", **other}
    return fingerprint(**of, message=message)  # type: ignore[arg-type]


@settings(max_examples=100)
@given(st.data(), words, words, st.sampled_from(sorted(VALUES)))
def test_the_same_error_with_another_value_is_the_same_issue(
    data: st.DataObject, before: list[str], after: list[str], kind: str
) -> None:
    one, other = (" ".join([*before, data.draw(VALUES[kind]), *after]) for _ in range(2))
    assert normalised(one) == normalised(other)
    assert issue(one) == issue(other)


@given(words, words)
def test_other_words_are_another_issue(one: list[str], other: list[str]) -> None:
    assert (issue(" ".join(one)) == issue(" ".join(other))) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("HTTP 429: try again", "HTTP 500: try again"),
        ("The model took no more requests (429).", "The model took no more requests (529)."),
        ("exit code 1", "exit code 137"),
        ("codex exited with 1", "codex exited with 2"),
        ("ended by signal 9", "ended by signal 15"),
        ("could not read the file", "could not write the file"),
    ],
)
def test_numbers_that_say_which_error_it_is_tell_issues_apart(one: str, other: str) -> None:
    assert issue(one) != issue(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("claude did not answer within 300 s.", "claude did not answer within 1.5 s."),
        ("can't open 'a b.txt'", "can't open 'c.txt'"),
        ("no such file: src/foo/bar.py, line 12", "no such file: lib/x.py, line 7"),
        (r"C:\Users\me\x.txt is gone", r"D:\data is gone"),
        ("refused by 10.0.0.1:5432", "refused by 192.168.1.20:6000"),
        ("message from ann@example.com", "message from bob.b@mail.example.org"),
        ("slow since 10:15", "slow since 9:59:59.120"),
        ("two\n lines", "two lines"),
    ],
)
def test_what_differs_each_time_does_not(one: str, other: str) -> None:
    assert issue(one) == issue(other)


@pytest.mark.parametrize("part", ["team", "error_type", "agent"])
def test_workspaces_errors_and_agents_have_issues_of_their_own(part: str) -> None:
    assert issue("gone", **{part: "other"}) != issue("gone")


def test_text_does_not_move_from_one_part_to_the_next() -> None:
    assert issue("", agent="ab", error_type="c") != issue("", agent="b", error_type="ca")


@given(st.text(max_size=2 * READ))
def test_any_text_has_a_fingerprint(text: str) -> None:
    assert len(issue(text)) == 12
