"""A search finds exactly the traces whose text has its words, newest first."""

import unicodedata
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.database.base import Database
from storage.database.read_only import reading
from storage.model.batch import Batch
from storage.model.filters import Filters
from storage.model.search_words import BadSearch
from storage.model.span import Span
from storage.queries import search
from storage.queries.traces import TraceSummary, recent_traces
from storage.recovery.opening import open_database
from storage.store import search_index
from storage.store.batch import store

NOW = 1_764_000_000 * 10**9
LETTERS = (
    *(
        "abcxyz019AÄÖßéİıŁøΣσςЁеё_-'.’",
        "京都東日本ガカー・",
        "한국어가",
        "ไทยภา",
        "हिन्दीमें",
        "שָׁלסَلام",
    ),
    "🚀❤️ \n",
)
texts = st.lists(st.text("".join(LETTERS), max_size=8), max_size=4).map(" ".join)


def is_single(character: str) -> bool:
    name = unicodedata.name(character, "")
    scripts = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "THAI")
    return name.startswith(scripts) and character != "・" or character in "🚀❤"


def tokens(text: str) -> list[str]:
    """Read a text letter by letter: without case, accents and vowels of Hebrew and Arabic."""
    text = unicodedata.normalize("NFKD", text).casefold().replace("ı", "i")
    text = text.replace("ł", "l").replace("ø", "o")
    kept = (c for c in text if unicodedata.combining(c) < 10 and c != "\ufe0f")
    text = unicodedata.normalize("NFC", "".join(kept))
    found: list[str] = [""]
    for character in text:
        if is_single(character):
            found += [character, ""]
        elif character.isalnum() or unicodedata.category(character)[0] == "M":
            found[-1] += character
        else:
            found.append("")
    return [token for token in found if token]


def has(text: str, word: list[str]) -> bool:
    """Return True if the tokens of a word follow each other, the last as a beginning."""
    read = tokens(text)
    return any(
        read[at : at + len(word) - 1] == word[:-1]
        and "".join(read[at + len(word) - 1 : at + len(word)]).startswith(word[-1])
        for at in range(len(read))
    )


def span(number: int, text: str | None, *, began: int | None = None, **facts: object) -> Span:
    started_at = NOW + (number if began is None else began)
    times = {"started_at": started_at, "ended_at": started_at + 5, "duration_ns": 5}
    ids = {"trace_id": f"{number:032x}", "span_id": f"{number:016x}"}
    given = {"status": "ok", **ids, **times, **facts}
    return Span(name="n", text=text, **given)  # type: ignore[arg-type]


class Stored:
    """A database whose traces are replaced for each example."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.batches = 0

    def replace(self, spans: list[Span], *, waiting: int = 0) -> None:
        """Store other traces, and leave the newest `waiting` queued."""
        for table in ("spans", "traces"):
            self.database.execute_sql(f"DELETE FROM {table}")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(search_index, "QUEUED", 1)
            patch.setattr(search_index, "RECENT", waiting)
            self.batches += 1
            assert store(self.database, Batch("host:1:1", self.batches, spans=spans))
            search_index.add_all(self.database)

    def pages(self, words: str, **given: Any) -> Iterator[TraceSummary]:
        """Yield the traces of all pages. Each page has as many as it may, but for the last."""
        page = recent_traces(self.database, words=words, limit=2, **given)
        assert page.previous is None
        pages = [page]
        while page.next:
            assert len(page.traces) == 2
            page = recent_traces(self.database, words=words, limit=2, cursor=page.next, **given)
            assert page.traces and page.previous
            pages.append(page)
        # Going back leads over the same pages.
        for earlier in reversed(pages[:-1]):
            page = recent_traces(self.database, words=words, limit=2, cursor=page.previous, **given)
            assert page == earlier
        yield from (trace for page in pages for trace in page.traces)

    def found(self, words: str) -> list[str | None]:
        return [trace.text for trace in self.pages(words)]

    def ids(self, words: str, **given: Any) -> list[str]:
        return [trace.trace_id for trace in self.pages(words, **given)]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def stored(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stored]:
    if request.param == "sqlite":
        database = open_database(tmp_path_factory.mktemp("search") / "t.db")
        database.execute_sql("PRAGMA synchronous = off")
    else:
        database = open_database(request.getfixturevalue("postgres_url"))
    yield Stored(database)
    database.close()


@settings(max_examples=40)
@given(
    st.lists(texts, min_size=1, max_size=12),
    st.data(),
    st.integers(0, 4),
    st.sampled_from([0, 1, 300]),
)
def test_a_search_finds_exactly_the_traces_that_have_the_words(
    stored: Stored, said: list[str], data: st.DataObject, waiting: int, few: int
) -> None:
    stored.replace([span(number, text) for number, text in enumerate(said, 1)], waiting=waiting)
    with pytest.MonkeyPatch.context() as patch:
        # So that a dozen traces are enough to need the index, each way in which it is asked.
        patch.setattr(search, "FIRST_READ", 1)
        patch.setattr(search, "SHARE", data.draw(st.sampled_from([0.0, 2.0])))
        patch.setattr(search, "FEW", few)
        for _ in range(3):
            text = data.draw(st.sampled_from(said) | texts)
            start = data.draw(st.integers(0, len(text)))
            words = text[start : data.draw(st.integers(start, len(text)))]
            asked = [read for word in words.split() if (read := tokens(word))]
            if asked:
                expected = [t for t in reversed(said) if all(has(t, word) for word in asked)]
                assert stored.found(words) == expected, words


FACTS = {
    "agent": st.sampled_from(["claude", "codex", None]),
    "channel": st.sampled_from(["C1", "C2"]),
    "user": st.sampled_from(["U1", "U2"]),
    "audience": st.sampled_from(["T1", "T1/C2", "T1/U1"]),
    "status": st.sampled_from(["ok", "ok", "error"]),
    "decision": st.sampled_from(["answer", "skip"]),
    "platform": st.just("slack"),
}
traces = st.fixed_dictionaries(
    {
        **FACTS,
        "text": st.sampled_from(["alpha", "beta", "alpha beta", "gamma"]),
        "began": st.integers(0, 5),
    }
)
filters = st.fixed_dictionaries(
    {
        "audiences": st.none() | st.sets(FACTS["audience"], max_size=2),
        "skipped": st.booleans(),
        "since": st.none() | st.integers(NOW, NOW + 5),
    },
    optional={name: FACTS[name] for name in ("agent", "channel", "user", "status")},
)


def seen(trace: dict[str, object], filters: dict[str, object]) -> bool:
    audiences, since = filters["audiences"], filters["since"] or 0
    return (
        (audiences is None or trace["audience"] in audiences)  # type: ignore[operator]
        and (bool(filters["skipped"]) or trace["decision"] != "skip")
        and NOW + trace["began"] >= since  # type: ignore[operator]
        and all(
            trace[name] == filters[name]
            for name in ("agent", "channel", "user", "status")
            if filters.get(name) is not None
        )
    )


@settings(max_examples=60)
@given(
    st.lists(traces, max_size=15),
    st.sampled_from(["alpha", "bet", "alpha beta", "delta"]),
    filters,
    st.sampled_from([0, 1, 300]),
    st.sampled_from([0.0, 2.0]),
)
def test_words_and_other_filters_together_find_what_may_be_seen_newest_first(
    stored: Stored,
    recorded: list[dict[str, object]],
    words: str,
    filters: dict[str, object],
    few: int,
    share: float,
) -> None:
    """Pages hold what may be seen only: a page that is full up to the last one, and no more."""
    numbered = dict(enumerate(recorded, 1))
    stored.replace([span(number, **facts) for number, facts in numbered.items()], waiting=2)  # type: ignore[arg-type]
    newest = sorted(numbered, key=lambda n: (numbered[n]["began"], n), reverse=True)
    expected = [
        number
        for number in newest
        if seen(numbered[number], filters)
        and all(word in str(numbered[number]["text"]) for word in words.split())
    ]
    given = {name: filters[name] for name in ("audiences", "skipped", "since")}
    given["filters"] = Filters(**{name: filters[name] for name in filters.keys() - given.keys()})  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "FIRST_READ", 1)
        patch.setattr(search, "SHARE", share)
        patch.setattr(search, "FEW", few)
        patch.setattr("storage.queries.traces.RECENT", 1)
        names = filters.keys() - {"audiences", "skipped", "since"}
        given = {name: filters[name] for name in ("audiences", "skipped", "since")}
        found = stored.ids(
            words, filters=Filters(**{name: filters[name] for name in names}), **given
        )
        assert [int(each, 16) for each in found] == expected


@pytest.mark.parametrize(
    "words",
    [
        *('"', 'alpha"', "'alpha", "alpha*", "^alpha", "-alpha", "+alpha", "alpha)", "(alpha"),
        *("words:alpha", "{words} : alpha", "NEAR(alpha beta, 2)", "alpha OR beta", "alpha NOT x"),
        *("alpha AND", "'; DROP TABLE traces; --", "\\alpha", "alpha\0beta", "%", "alpha_"),
    ],
)
def test_signs_and_operators_are_plain_words(stored: Stored, words: str) -> None:
    stored.replace([span(1, "nothing of the kind"), span(2, f"said: {words}")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "FIRST_READ", 1)
        try:
            assert stored.found(words) == [f"said: {words}".replace("\0", "\ufffd")]
        except BadSearch:
            assert not tokens(words)


def test_a_search_of_many_words_gets_an_answer(stored: Stored) -> None:
    long = " ".join(f"w{number}" for number in range(1_900))
    stored.replace([span(1, long), span(2, "w1")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "FIRST_READ", 1)
        assert stored.found(long) == [long]
        assert stored.found(f"{long} nowhere") == []
        assert stored.found("x" * 30_000) == []


def test_a_very_long_word_is_found(stored: Stored) -> None:
    stored.replace([span(1, "a" * 150 + "b"), span(2, "a" * 150 + "c")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "FIRST_READ", 1)
        assert stored.found("a" * 150 + "b") == ["a" * 150 + "b"]


def test_a_database_that_is_only_read_can_be_searched(stored: Stored) -> None:
    stored.replace([span(number, f"text {number}") for number in range(1, 9)], waiting=2)
    before = stored.database.version()
    with reading(stored.database) as database, pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "FIRST_READ", 1)
        patch.setattr(search, "SHARE", 2.0)
        for number in (2, 8):
            (trace,) = recent_traces(database, words=f"text {number}").traces
            assert trace.text == f"text {number}"
    # A server also counts the transactions of other databases.
    assert stored.database.on_server or stored.database.version() == before


def test_pages_go_back_where_words_are_not_indexed(stored: Stored) -> None:
    stored.replace([span(number, text=f"alpha {number}") for number in range(1, 10)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search.Search, "can_use_index", lambda self: False)
        patch.setattr(search, "FIRST_READ", 1)
        assert stored.ids("alpha") == [f"{number:032x}" for number in range(9, 0, -1)]


def test_a_list_that_begins_anew_shows_its_first_page(stored: Stored) -> None:
    """Going back to a page that would be cut short shows what came since, too."""
    stored.replace([span(number, "x", began=number) for number in range(1, 5)])
    middle = f"newer-{NOW + 3}-{3:032x}"
    page = recent_traces(stored.database, limit=2, cursor=middle)
    assert [int(trace.trace_id, 16) for trace in page.traces] == [4, 3]
    assert (page.previous, page.next) == (None, f"{NOW + 3}-{3:032x}")
