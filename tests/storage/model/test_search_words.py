"""A word of a search finds what people expect, in any language."""

import pytest

from storage.model.search_words import (
    MOST_WORDS,
    BadSearch,
    SearchWords,
    document,
    document_terms,
)

FOUND = [
    ("Deployment failed", "deploy"),
    ("the nightly import", "IMPORT nightly"),
    ("release v1.23 is out", "v1.2"),
    ("error_code=42", "error-code"),
    ("don’t stop", "don't"),
    ("Müller prüft die Straße", "muller STRASSE"),
    ("Mu\u0308ller", "Müller"),
    ("İSTANBUL", "istanbul"),
    ("Łódź, Ærø", "lodz aero"),
    ("ΟΔΟΣ", "οδος"),
    ("Ёлка", "елка"),
    ("ﬁle", "file"),
    ("ＡＢＣ１２３", "abc123"),
    ("東京都の天気", "京都"),
    ("東京都の天気", "東"),
    ("関東", "東"),
    ("今天天气怎么样", "天气"),
    ("한국어 문서를 확인", "국어"),
    ("サーバーを再起動", "ｻｰﾊﾞｰ"),
    ("iPhone15は売り切れ", "iphone 売り切れ"),
    ("ภาษาไทย", "ไทย"),
    ("हिन्दी में लिखो", "हिन्दी"),
    ("سَلام", "سلام"),
    ("🚀 launch", "🚀"),
    ("❤️", "❤"),
]
MISSED = [
    ("redeploy", "deploy"),
    ("nightly", "nightly import"),
    ("2 before v1", "v1.2"),
    ("京と都", "京都"),
    ("ガス", "カス"),
    ("हिन्दा", "हिन्दी"),
    ("", "x"),
]


@pytest.mark.parametrize(("text", "words"), FOUND)
def test_a_word_is_found_whatever_its_case_accents_and_script(text: str, words: str) -> None:
    assert SearchWords(words).match("another text", text, None)


@pytest.mark.parametrize(("text", "words"), MISSED)
def test_a_word_is_found_only_at_the_beginning_of_a_word(text: str, words: str) -> None:
    assert not SearchWords(words).match(text, None)


def test_a_word_does_not_go_on_in_the_next_text() -> None:
    assert SearchWords("a-b").match("a b", "c")
    assert not SearchWords("a-b").match("a", "b")
    assert not SearchWords("東京").match("東", "京")


@pytest.mark.parametrize("words", ["???", "- “”", "_ |"])
def test_a_search_without_letters_and_digits_is_refused(words: str) -> None:
    with pytest.raises(BadSearch, match="give a word"):
        SearchWords(words)


def test_signs_beside_words_are_left_out() -> None:
    assert SearchWords("why ?").match("why not")


def test_a_search_of_too_many_words_is_refused() -> None:
    with pytest.raises(BadSearch, match="at most 2,000"):
        SearchWords(" ".join(map(str, range(MOST_WORDS + 1))))


def test_plain_english_goes_to_the_index_as_it_is() -> None:
    assert document("slack message", None, "Why, Ann?") == "slack message Why, Ann?"


def test_the_terms_of_a_trace_fit_into_an_index() -> None:
    texts = [
        "".join(chr(0x20000 + step * n % 42_000) for n in range(65_000)) for step in (1, 11, 13, 17)
    ]
    terms = document_terms("hello", *texts)
    assert "hello" in terms
    assert 900_000 < len("".join(terms).encode()) <= 1_000_000
