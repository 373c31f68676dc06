"""Text on a terminal: paragraphs and tables fit its width, and no number is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from reports.render.columns import Column, Drawing, Part, Table, layout

COLUMNS = (
    Column("agent", wraps=True),
    Column("traces", right=True),
    Column("cost", right=True),
    Column("what", wraps=True),
)
ROWS = (
    ("claude", "1,234,567", "$12,345.67", "Why does the build fail on the new machine?"),
    ("a very long name of an agent", "3", "–", "中文的问题也要对齐，无论多长都不能超出终端的宽度"),
)


def lines(*parts: Part, width: int) -> list[str]:
    return layout(parts, width=width, colour=False).split("\n")


@pytest.mark.parametrize("width", [12, 24, 30, 40, 60, 100, 200])
def test_a_table_fits_any_width_and_cuts_no_number(width: int) -> None:
    shown = lines(Table(COLUMNS, ROWS), width=width)
    assert max(map(cell_len, shown)) <= width
    for number in ("1,234,567", "$12,345.67"):
        assert sum(number in line for line in shown) == 1


def test_columns_are_aligned_if_letters_are_wide() -> None:
    columns = (Column("name", wraps=True), Column("traces", right=True))
    shown = lines(Table(columns, [("中文", "1"), ("👩‍🚀 ünï", "20"), ("ascii", "300")]), width=40)
    assert shown[0] == "name    traces"
    assert {cell_len(line) for line in shown} == {len(shown[0])}


def test_text_makes_room_for_numbers_the_longest_first() -> None:
    columns = (Column("", wraps=True), Column("", right=True), Column("", wraps=True))
    shown = lines(Table(columns, [("claude", "123,456", "one two three four")]), width=26)
    assert shown == ["claude  123,456  one two", "                 three", "                 four"]


def test_a_row_that_is_too_wide_without_any_text_becomes_a_list_of_its_cells() -> None:
    columns = (Column("agent", wraps=True), Column("p50", right=True), Column("p99", right=True))
    shown = lines(Table(columns, [("claude", "1,234.5 s", "2,345.6 s")]), width=20)
    assert shown == ["agent claude", "  p50 1,234.5 s", "  p99 2,345.6 s"]


def test_columns_that_can_be_spared_are_left_out_of_a_narrow_table_and_named() -> None:
    columns = (
        Column("agent", wraps=True),
        Column("p50", right=True, spare=1),
        Column("p95", right=True),
        Column("p99", right=True, spare=2),
    )
    table = Table(columns, [("the reviewer", "1,234.5 s", "2,345.6 s", "3,456.7 s")])
    assert lines(table, width=45) == [
        "agent               p50        p95        p99",
        "the reviewer  1,234.5 s  2,345.6 s  3,456.7 s",
    ]
    # The name is not wrapped to make room.
    assert lines(table, width=44) == [
        "agent               p50        p95",
        "the reviewer  1,234.5 s  2,345.6 s",
        "A wider window also shows p99.",
    ]
    assert lines(table, width=33) == [
        "agent               p95",
        "the reviewer  2,345.6 s",
        "A wider window also shows p50,",
        "p99.",
    ]
    # A list has room for all of them.
    assert lines(table, width=18)[0] == "agent the reviewer"
    assert "3,456.7 s" in lines(table, width=18)[-1]


def test_a_table_in_which_text_would_be_a_tower_of_words_becomes_a_list() -> None:
    columns = (Column("trace"), Column("took", right=True), Column("what", wraps=True))
    rows = [("01a1444e98a0", "12.5 s", "one two three four five six seven eight nine ten " * 2)]
    assert lines(Table(columns, rows), width=60)[0].split() == ["trace", "took", "what"]
    assert lines(Table(columns, rows), width=30)[0] == "trace 01a1444e98a0"


def test_a_table_breaks_no_word_that_fits_in_a_list() -> None:
    columns = (Column("of", wraps=True), Column("count", right=True), Column("p95", right=True))
    rows = [("mentions", "1,234", "1 min"), ("reactions", "1,234", "1 min")]
    assert lines(Table(columns, rows), width=23)[0] == "of         count    p95"
    assert lines(Table(columns, rows), width=22)[0] == "of mentions"


def test_without_a_width_nothing_is_wrapped() -> None:
    long = "word " * 500
    shown = layout([long, Table(COLUMNS, [("a", "1", "2", long)])], width=None, colour=False)
    assert [line.count("word") for line in shown.split("\n")] == [500, 0, 500]


@pytest.mark.parametrize(("width", "drawn"), [(40, 9), (60, 14), (100, 48), (200, 80)])
def test_a_drawing_uses_the_room_that_text_leaves_but_at_least_a_quarter(
    width: int, drawn: int
) -> None:
    columns = (Column(drawn=True), Column(wraps=True))
    bar = Drawing(lambda width: [("█" * width, "")], natural=80)
    (first, *_) = lines(Table(columns, [(bar, "word " * 10)]), width=width)
    assert first.count("█") == drawn


def test_a_paragraph_keeps_its_lines_and_its_indentation() -> None:
    assert lines("one\n\n  two three four", width=11) == ["one", "", "  two three", "  four"]


def test_only_a_word_that_is_longer_than_a_line_is_divided() -> None:
    assert lines("see abcdefghijkl now", width=8) == ["see", "abcdefgh", "ijkl now"]


def test_styles_cover_their_text_only_and_survive_a_line_break() -> None:
    shown = layout([[("one two", "red"), (" three", "")]], width=5, colour=True)
    assert shown == "\x1b[31mone\x1b[0m\n\x1b[31mtwo\x1b[0m\nthree"


@given(st.lists(st.text(st.characters(exclude_categories=["C", "Z"]))), st.integers(10, 40))
def test_any_text_fits_and_is_complete(words: list[str], width: int) -> None:
    text = " ".join(words)
    rows = [(text, "1,234")]
    shown = lines(text, Table((Column("", wraps=True), Column("", right=True)), rows), width=width)
    assert max(map(cell_len, shown)) <= width
    assert "".join(lines(text, width=width)).replace(" ", "") == text.replace(" ", "")
