"""The rules of alerts and their states, which several processes share."""

import threading
from dataclasses import replace
from pathlib import Path

from peewee import Database

from storage.coordination.alert_rules import (
    AlertRule,
    add_rule,
    alert_rules,
    alert_states,
    change_state,
    change_states,
    note_posted,
    note_tested,
    remove_rule,
    replace_file_rules,
)
from storage.recovery.opening import open_database


def rule(id: str = "a1b2", *, channel: str = "C1", in_file: bool = False) -> AlertRule:
    return AlertRule(
        id=id,
        team="T1",
        channel=channel,
        condition="cost>5 over:1h",
        created_by="U1",
        created_at=7,
        in_file=in_file,
    )


def test_a_rule_is_kept_with_its_state_until_it_is_removed(database: Database) -> None:
    assert add_rule(database, rule())
    assert not add_rule(database, rule(channel="C2")), "its id is taken"
    assert alert_rules(database, team="T1") == (rule(),)
    assert alert_rules(database, team="T2") == alert_rules(database, ids=["ffff"]) == ()
    state = alert_states(database)["a1b2"]
    assert (state.level, state.since, state.tests, state.posted) == ("ok", 7, 1, 0)
    assert remove_rule(database, "a1b2")
    assert not remove_rule(database, "a1b2")
    assert alert_states(database) == {}


def test_states_change_together_and_only_if_they_differ(database: Database) -> None:
    for id in ("a1b2", "c3d4"):
        add_rule(database, rule(id))
    changes = {
        "a1b2": lambda state: replace(state, recent=("alert", "ok"), value=0.25),
        "c3d4": lambda state: state,
        "gone": lambda state: replace(state, seq=9),
    }
    assert change_states(database, changes) == 1
    assert alert_states(database)["a1b2"].recent == ("alert", "ok")
    assert not change_state(database, "gone", lambda state: replace(state, seq=9))


def test_processes_that_count_at_once_lose_nothing(database: Database, db_path: Path) -> None:
    add_rule(database, rule())

    def count() -> None:
        own = open_database(db_path)
        for _ in range(10):
            change_state(own, "a1b2", lambda state: replace(state, seq=state.seq + 1))
        own.close()

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert alert_states(database)["a1b2"].seq == 40


def test_what_was_posted_is_not_taken_back_by_a_slower_process(database: Database) -> None:
    add_rule(database, rule())
    note_posted(database, "a1b2", seq=2, thread_ts="2.2")
    note_posted(database, "a1b2", seq=1, thread_ts="1.1")
    note_tested(database, "a1b2", tests=1)
    state = alert_states(database)["a1b2"]
    assert (state.posted, state.thread_ts, state.tests_posted) == (2, "2.2", 1)


def test_the_agents_file_has_the_last_word_on_its_own_rules(database: Database) -> None:
    add_rule(database, rule())
    first, second = rule("f1f1", in_file=True), rule("f2f2", in_file=True)
    assert replace_file_rules(database, "T1", [first])
    change_state(database, "f1f1", lambda state: replace(state, seq=3))
    assert not replace_file_rules(database, "T1", [first])
    assert replace_file_rules(database, "T1", [first, second])
    assert alert_states(database)["f1f1"].seq == 3, "it goes on"
    assert replace_file_rules(database, "T1", [])
    assert alert_rules(database) == (rule(),)
