"""The whole corpus of secrets; tests/storage/model/test_redaction.py has a part of it."""

import pytest

from tests.support.redaction_corpus import Planted, planted


@pytest.fixture(scope="module")
def corpus() -> list[Planted]:
    return list(planted(seed=19))


def test_hardly_a_planted_secret_is_stored(corpus: list[Planted]) -> None:
    stored = [each for each in corpus if each.stored]
    assert len(stored) <= len(corpus) * 0.01, stored[:10]


def test_each_kind_is_known_where_it_stands_alone(corpus: list[Planted]) -> None:
    alone = [each for each in corpus if each.wrapping == "alone"]
    assert [(each.kind, each.text) for each in alone if each.stored] == []
