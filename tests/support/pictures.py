"""Take pictures of typical answers in the page: on a wide screen, on a phone and in the dark.

The views are of the demo's fortnight, which is played first.

`scripts/pictures FOLDER [SCENE…]` writes them as PNG files. The bot and its messages are the real
ones; only the agent is directed.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from bot.agents.errors import AgentCrashed
from bot.cli.fortnight.plot import fortnight
from bot.cli.fortnight.stage import Stage
from bot.sandbox import Channel, Message, Sandbox, User
from reports.render.block_kit import ALERT_ACKNOWLEDGE, ALERT_ADD, DIGEST_CHANGE, RAW
from storage import Observability
from storage.coordination.budgets import (
    Budget,
    Dimension,
    Period,
    add_budget,
    remove_budget,
)
from storage.model.records import Log, Metric
from storage.queries.traces import recent_traces
from tests.support.browser import CHROMIUM, Page, browser
from tests.support.conversations import eventually, finished
from tests.support.factories import MINUTE
from tests.support.fake_agent import Scripted, roster_of
from tests.support.paths import MANIFEST
from tests.support.running_bot import start_in
from tests.support.traces_in_slack import in_modal

LOOKS = {"wide": (1280, 900, "light"), "phone": (390, 844, "light"), "dark": (1280, 900, "dark")}
"""Width and height in CSS pixels, and the colour scheme."""

LONG = "\n\n".join(
    f"## Step {number}\n\nMove shard {number} while the others serve. "
    + "Compare the row counts of both sides, then switch the readers over. " * 12
    for number in range(1, 25)
)

KOREAN = """\
배포는 **세 단계**로 진행됩니다.

1. **「스테이징」**에서 먼저 확인합니다.
2. `kubectl rollout status deploy/api`가 끝날 때까지 기다립니다.
3. 문제가 생기면 [롤백 절차](https://wiki.example.com/rollback)를 따르세요.

> 참고: 금요일 오후에는 배포하지 않습니다."""

JAPANESE = """\
## 原因

**「接続プール」**が**枯渇**していました。`max_connections` は 20 のままです。

- 平均待ち時間: **1.8 秒**(通常は 40 ミリ秒)
- 失敗したリクエスト: 312 件
  - うち決済: 7 件

まず `pool_size = 50` に上げて、再起動してください。"""

CODE = """\
The loop never ends, because `retries` is never counted down:

```python
def fetch(url: str, retries: int = 3) -> bytes:
    while retries:
        try:
            return urlopen(url, timeout=5).read()
        except URLError as error:  # & <nothing> else
            log.warning("%s: %s, %d left", url, error, retries)
    raise TimeoutError(url)
```

Add `retries -= 1` at the end of the loop. Check it with:

```
$ pytest -q tests/test_fetch.py
3 passed in 0.12s
```"""

TABLE = """\
The three slowest endpoints of the last hour:

| endpoint | calls | p50 | p95 | owner |
|:---------|------:|----:|----:|-------|
| `POST /checkout` | 1,204 | 310 ms | **2.9 s** | payments |
| `GET /search?q=…` | 48,116 | 95 ms | 840 ms | search |
| `GET /orders/{id}/history` | 9,530 | 61 ms | 410 ms | orders |

Only `POST /checkout` got slower since yesterday."""

LISTS = """\
Three things are left before **2.4** can go out:

1. **Migrations**
   - run `0007` on a copy of production
   - compare the *row counts* with [the runbook](https://wiki.example.com/runbook#counts)
     - `orders`: 1.2 million
     - `events`: 88 million
2. **Release notes**: [draft](https://docs.example.com/notes), ~~two~~ one open question
3. **Sign-off** by @alice and the <!here> on-call person

Nothing else blocks the release."""

ALERT = {
    "color": "danger",
    "title": "[FIRING:1] CheckoutLatencyHigh (payments prod)",
    "title_link": "https://grafana.example.com/d/checkout",
    "text": "*p95* is 2.9 s, limit 1 s",
    "fields": [
        {"title": "Instance", "value": "`checkout-7f9c`", "short": True},
        {"title": "Since", "value": "09:14 UTC", "short": True},
    ],
    "footer": "Grafana v12",
    "fallback": "[FIRING:1] CheckoutLatencyHigh",
}
OUTAGE = [
    {"type": "header", "text": {"type": "plain_text", "text": "Disk full on db-2"}},
    {"type": "section", "text": {"type": "mrkdwn", "text": "*98 %* of `/var/lib/postgresql`"}},
]

Scene = Callable[["Studio", Channel], Message]
"""Plays a conversation in a channel, and returns the question."""

HOME = "home"
"""Begins the names of pictures of the app's Home tab, which are not of a channel."""

HIDDEN = """\
Math.min(3000, Math.max(...[...document.querySelectorAll(".list, dialog[open]")].map(
  (each) => Math.ceil((each.scrollHeight - each.clientHeight) * 1.25))))"""
"""JavaScript: how many pixels the window lacks to show everything."""

MODERN = ("data_table", "data_visualization", "container", "card")
"""The types of blocks that Slack may refuse, for which there are plain ones."""


class Studio:
    """A workspace with the real bot, in which each scene has a channel of its own."""

    def __init__(
        self, sandbox: Sandbox, observability: Observability, agent: Scripted, alice: User
    ) -> None:
        self.sandbox = sandbox
        self.observability = observability
        self.agent = agent
        self.tick: Callable[..., None] = lambda *, now: None
        """Run the bot's jobs, as its scheduler does each minute."""
        self.alice = alice
        self.grafana = sandbox.add_bot("grafana")
        self._running: Message | None = None

    def channel(self, name: str) -> Channel:
        return self.sandbox.add_channel(name, [self.alice, self.grafana])

    def ask(self, channel: Channel, text: str) -> Message:
        """Ask the agent, and return the question once it is asked."""
        question = self.sandbox.post(self.alice, channel, f"{self.sandbox.mention} {text}")
        self.agent.wait_until_asked()
        self._running = question
        return question

    @contextmanager
    def budgets(self, *limits: tuple[Dimension, str, Period, float, int | None]) -> Iterator[None]:
        """Limit what agents may cost, in dollars, while the block runs."""
        database, ids = self.observability.database, []
        for number, (dimension, key, period, soft, hard) in enumerate(limits):
            ids.append(f"3f2a1{number}")
            budget = Budget(
                id=ids[-1],
                dimension=dimension,
                key=key,
                period=period,
                soft=int(soft * 1_000_000),
                hard=None if hard is None else hard * 1_000_000,
                team=self.sandbox.team_id,
                time_zone="Europe/Berlin",
                created_by=self.alice.id,
                created_at=number,
            )
            add_budget(database, budget)
        yield
        for id in ids:
            remove_budget(database, id)

    def end(self, question: Message, answer: str) -> Message:
        """Answer the question, and return it."""
        self._running = None
        self.agent.end(answer)
        self.sandbox.wait_for_reaction(question.channel, question.ts, "white_check_mark")
        return question

    def fail(self, question: Message, error: Exception) -> Message:
        """Let the agent fail, and return the question."""
        self._running = None
        self.agent.fail(error)
        self.sandbox.wait_for_reaction(question.channel, question.ts, "x")
        return question

    def tidy_up(self) -> None:
        """End what the last scene left: a turn that runs, an open modal, refused blocks."""
        if self._running is not None:
            self.end(self._running, "Done.")
        self.sandbox._slack.views.pop(f"modal:{self.alice.id}", None)
        self.sandbox.faults.refuse_blocks()

    def open_home(self) -> None:
        """Open the Home tab of alice, and wait until it is published anew."""
        views, place = self.sandbox._slack.views, f"home:{self.alice.id}"
        before = views.get(place)
        self.sandbox.open_home(self.alice)
        self.sandbox.wait_until(lambda: views.get(place) is not before, 20.0)

    def link(self, message: Message) -> str:
        return self.sandbox._slack.workspace.permalink(message)


def answer(question: str, text: str) -> Scene:
    return lambda studio, channel: studio.end(studio.ask(channel, question), text)


def _running(studio: Studio, channel: Channel) -> Message:
    question = studio.ask(channel, "why is checkout slow since this morning?")
    studio.agent.use("Read config/pool.toml")
    studio.agent.use("Bash: kubectl logs deploy/checkout --since=2h | grep -c timeout")
    studio.agent.say("I looked at the logs of the last two hours. **312 requests** timed out ")
    studio.sandbox.wait_for_reply(channel, question.ts, containing="312")
    return question


def _tools(studio: Studio, channel: Channel) -> Message:
    return studio.end(_running(studio, channel), "The pool is too small: set `pool_size` to 50.")


def _failed(studio: Studio, channel: Channel) -> Message:
    question = studio.ask(channel, "summarise the incident of last night")
    words = "Traceback (most recent call last):\nError: model gpt-9 does not exist\n"
    return studio.fail(question, AgentCrashed("it exited with 1", exit_code=1, stderr=words))


def _tools_shown(studio: Studio, channel: Channel) -> Message:
    question = _tools(studio, channel)
    finished(studio.observability, channel, question.ts, count=1)
    return _asked(studio, channel, "show")


def _failure_shown(studio: Studio, channel: Channel) -> Message:
    question = _failed(studio, channel)
    finished(studio.observability, channel, question.ts, count=1)
    return _asked(studio, channel, "show")


def _suspended(studio: Studio, channel: Channel) -> Message:
    with studio.budgets(("agent", "claude", "month", 1, None)):
        text = f"{studio.sandbox.mention} why is checkout slow since this morning?"
        question = studio.sandbox.post(studio.alice, channel, text)
        studio.sandbox.wait_for_reply(channel, question.ts, containing="budget")
    return question


def _budget(studio: Studio, channel: Channel) -> Message:
    with studio.budgets(
        ("agent", "claude", "week", 8, None),
        ("agent", "codex", "month", 4, 6),
        ("all", "", "month", 40, 60),
        ("channel", channel.id, "day", 5, None),
        ("user", studio.alice.id, "week", 3.5, None),
    ):
        return _asked(studio, channel, "budget")


def _home(studio: Studio, channel: Channel) -> Message:
    admin = studio.sandbox.add_user("carol", admin=True)
    studio.sandbox.join(admin, channel)
    studio.sandbox.command(admin, channel, "/trace", "budget add 400/month", timeout=20.0)
    _asked(studio, channel, "alerts add error_rate>20% agent:codex over:1h")
    _asked(studio, channel, "digest here weekdays at 09:00")
    return _home_opened(studio, channel)


def _messages_tab(studio: Studio, channel: Channel) -> Message:
    """Return a message in the direct messages, which the page then opens."""
    question = studio.sandbox.post(
        studio.alice, studio.sandbox.open_dm(studio.alice), "who are you?"
    )
    studio.agent.wait_until_asked()
    studio.end(question, "I am claude.")
    failure = _failed(studio, channel)
    finished(studio.observability, channel, failure.ts, count=1)
    studio.sandbox.open_home(studio.alice, tab="messages")
    eventually(lambda: bool(studio.sandbox._slack.prompts))
    return question


def _home_opened(studio: Studio, channel: Channel) -> Message:
    question = _running(studio, channel)
    studio.open_home()
    return question


URGENT = """\
Yes. **Checkout** is affected: p95 is almost *three times* its limit since 09:14 UTC.

Restart `checkout-7f9c` first; its pool is exhausted."""


def _alert(studio: Studio, channel: Channel) -> Message:
    alert = studio.sandbox.post(studio.grafana, channel, attachments=[ALERT])
    text = f"{studio.sandbox.mention} is this urgent?"
    question = studio.sandbox.post(studio.alice, channel, text, thread_ts=alert.ts)
    return studio.end(question, URGENT)


def _forwarded(studio: Studio, channel: Channel) -> Message:
    alert = studio.sandbox.post(studio.grafana, channel, blocks=OUTAGE)
    text = f"{studio.sandbox.mention} what fills it?"
    question = studio.sandbox.forward(studio.alice, alert, channel, text)
    return studio.end(question, "The write-ahead log: a replica is gone, and its slot keeps it.")


def _reason(studio: Studio, channel: Channel) -> Message:
    question = studio.end(studio.ask(channel, "when is the next release?"), "On Thursday.")
    (reply,) = studio.sandbox.thread(channel, question.ts)[1:]
    (thumbs,) = [block for block in reply.blocks if block["type"] == "context_actions"]
    value = thumbs["elements"][0]["negative_button"]["value"]
    studio.sandbox.click(studio.alice, reply, "reply_feedback", value=value)
    eventually(lambda: bool(studio.sandbox.calls("views.open")))
    return question


def _file(studio: Studio, channel: Channel) -> Message:
    question = studio.ask(channel, "write the release notes")
    studio.sandbox.faults.error("chat.postMessage", "invalid_blocks", times=4)
    return studio.end(question, LISTS)


def _alerts(studio: Studio, channel: Channel) -> Message:
    """Add rules, let the bot evaluate them three times, and list them."""
    for rule in ("error_rate>5% agent:codex over:168h warn:2%", "cost>100 over:24h warn:50"):
        _asked(studio, channel, f"alerts add {rule}")
    _asked(studio, channel, "alerts add no_data agent:nobody over:6h")
    for minute in range(3):
        studio.tick(now=time.time_ns() + minute * MINUTE)
    alert = studio.sandbox.wait_for_message(channel, containing="Error share of codex: ")
    studio.sandbox.click(studio.alice, alert, ALERT_ACKNOWLEDGE)
    return _asked(studio, channel, "alerts")


def _alert_form(studio: Studio, channel: Channel) -> Message:
    listed = _asked(studio, channel, "alerts")
    in_modal(
        studio.sandbox, studio.alice, partial(studio.sandbox.click, studio.alice, listed, ALERT_ADD)
    )
    return listed


def _alert_form_on_home(studio: Studio, channel: Channel) -> Message:
    question = studio.ask(channel, "when is the next release?")
    studio.open_home()
    press = partial(studio.sandbox.press, studio.alice, ALERT_ADD, home=True)
    in_modal(studio.sandbox, studio.alice, press)
    return question


def _digest_form(studio: Studio, channel: Channel) -> Message:
    shown = _asked(studio, channel, "digest here weekdays at 09:00")
    studio.open_home()
    press = partial(studio.sandbox.press, studio.alice, f"{DIGEST_CHANGE}_0", home=True)
    in_modal(studio.sandbox, studio.alice, partial(press, value=channel.id))
    return shown


def _thread(studio: Studio, channel: Channel) -> Message:
    question = studio.end(studio.ask(channel, "when is the next release?"), "On Thursday.")
    for text in ("and the one after it?", "who writes the notes?"):
        studio.sandbox.post(studio.alice, channel, text, thread_ts=question.ts)
        studio.agent.wait_until_asked()
        studio.agent.end("Nobody knows.")
    finished(studio.observability, channel, question.ts, count=3)
    return _asked(studio, channel, f"thread {studio.link(question)}")


def _ps(studio: Studio, channel: Channel) -> Message:
    _running(studio, channel)
    return _asked(studio, channel, "ps")


def _why(studio: Studio, channel: Channel) -> Message:
    question = studio.end(studio.ask(channel, "when is the next release?"), "On Thursday.")
    finished(studio.observability, channel, question.ts, count=1)
    return _asked(studio, channel, f"why {studio.link(question)}")


def _why_not(studio: Studio, channel: Channel) -> Message:
    said = studio.sandbox.post(studio.alice, channel, "does anybody know when the release is?")
    finished(studio.observability, channel, said.ts, count=1)
    return _asked(studio, channel, f"why {studio.link(said)}")


def _raw(studio: Studio, channel: Channel) -> Message:
    shown = _asked(studio, channel, "show")
    in_modal(studio.sandbox, studio.alice, partial(studio.sandbox.click, studio.alice, shown, RAW))
    return shown


def _plain(scene: Scene) -> Scene:
    """Return the scene in a workspace that refuses modern blocks."""

    def played(studio: Studio, channel: Channel) -> Message:
        studio.sandbox.faults.refuse_blocks(*MODERN)
        return scene(studio, channel)

    return played


SCENES: Mapping[str, Scene] = {
    "short": answer("when is the next release?", "On Thursday, at 10:00 UTC."),
    "long": answer("how do we move the shards?", LONG),
    "korean": answer("배포 절차를 알려줘", KOREAN),
    "japanese": answer("なぜチェックアウトが遅いのですか?", JAPANESE),
    "code": answer("what is wrong with `fetch`?", CODE),
    "table": answer("which endpoints are slow?", TABLE),
    "lists": answer("what is left before 2.4?", LISTS),
    "alert": _alert,
    "forwarded": _forwarded,
    "tools": _tools,
    "failed": _failed,
    "show-failed": _failure_shown,
    "show-tools": _tools_shown,
    "file": _file,
    "alerts": _alerts,
    "alert-form": _alert_form,
    "reason": _reason,
    "budget": _budget,
    "suspended": _suspended,
    "running": _running,
    "thread": _thread,
    "ps": _ps,
    "why": _why,
    "why-not": _why_not,
    "raw": _raw,
    "digest-form": _digest_form,
    "messages-tab": _messages_tab,
    HOME: _home,
    f"{HOME}-alert-form": _alert_form_on_home,
    f"{HOME}-plain": _plain(_home_opened),
}


VIEWS: Mapping[str, str] = {
    "stats": "stats",
    "stats-agent": "stats --by agent --compare --since 3d",
    "stats-platform": "stats --by platform",
    "stats-provider": "stats --by provider",
    "stats-hour": "stats --by hour --since 24h",
    "stats-day": "stats --by day --since 30d",
    "cost": "cost --compare",
    "errors": "errors",
    "slow": "slow",
    "ls": "ls",
    "ls-filters": "ls agent:claude duration>30s cost>0.01 since:7d",
    "ls-none": "ls agent:nobody zeppelin",
    "digest": "digest now",
    "ls-down": "ls feedback:down",
    "show": "show",
    "logs": "logs --since 7d",
    "metrics": "metrics queue.depth",
    "help": "help",
    "health": "health",
    "processes": "ps --processes",
}
"""What /trace shows of the fortnight, by the name of the picture."""

LINES = (
    ("warning", "The first token came late."),
    ("error", "Slack took no part of the reply: msg_too_long"),
    ("info", "The session of the thread goes on."),
)

PLAIN = ("stats", "stats-agent", "stats-platform", "errors", "digest", "show")
"""Which of these are also shown to a workspace that refuses modern blocks."""


def _asked(studio: Studio, channel: Channel, words: str) -> Message:
    (shown,) = studio.sandbox.command(studio.alice, channel, "/trace", words, timeout=20.0)
    return shown


def _posted(studio: Studio, channel: Channel, place: Channel) -> Message:
    """Return the newest message of a channel of the fortnight."""
    return studio.sandbox.messages(place)[-1]


def _record_beside(observability: Observability) -> None:
    """Record a metric and a log line for each of the newest turns, which the bot does not."""
    for number, turn in enumerate(recent_traces(observability.database, limit=60).traces):
        of: dict[str, Any] = {
            "recorded_at": turn.started_at,
            "trace_id": turn.trace_id,
            "span_id": None,
        }
        labels, depth = {"agent": turn.agent or ""}, 1.0 + number * 7 % 5
        level, message = LINES[number % len(LINES)]
        log = Log(level=level, message=message, attributes={"logger": "tracebot.replies"}, **of)
        metric = Metric(name="queue.depth", value=depth, labels=labels, **of)
        observability.receive([log, metric])


@contextmanager
def open_studio() -> Iterator[tuple[Studio, Mapping[str, Channel], Page]]:
    """Play the fortnight, and yield a studio, the fortnight's channels, and a browser."""
    with (
        # Chromium may still write into its folder while that is removed.
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as own,
        Sandbox.start(MANIFEST) as sandbox,
        Observability.open(Path(own) / "tracebot.db", platform="slack") as observability,
        browser(Path(own) / "browser") as page,
    ):
        stage = Stage(fortnight(datetime.now(UTC)), sandbox, observability, Path(own))
        for _ in stage.play():
            pass
        stage.stop()
        _record_beside(observability)
        studio = Studio(sandbox, observability, Scripted("claude"), stage.people["alice"])
        bot = start_in(sandbox, observability, roster_of(studio.agent))
        studio.tick = bot.scheduler.tick
        sandbox.wait_for_app(opened=2)
        yield studio, stage.channels, page
        bot.stop(grace=0)
        observability.database.close()


def main(folder: Path, names: Collection[str]) -> None:
    """Write a picture of each scene, or of those named, in each look into *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    with open_studio() as (studio, channels, page):
        plays: dict[str, Scene] = {
            name: partial(_asked, words=words) for name, words in VIEWS.items()
        }
        plain = {f"{name}-plain": _plain(plays[name]) for name in PLAIN}
        posted = {
            f"posted-{name}": partial(_posted, place=place) for name, place in channels.items()
        }
        for name, play in {**plays, **plain, **posted, **SCENES}.items():
            if names and name not in names:
                continue
            channel = studio.channel(name)
            shown = play(studio, channel)
            elsewhere = shown.ephemeral_to or shown.channel != channel.id
            thread = "" if elsewhere else f"/{shown.thread_ts or shown.ts}"
            where = HOME if name.startswith(HOME) else f"{shown.channel}{thread}"
            place = f"{studio.sandbox.page_url}#{studio.alice.id}/{where}"
            for look, (width, height, scheme) in LOOKS.items():
                picture = folder / f"{name}-{look}.png"
                page.prefer(scheme)
                page.open(place, width=width, height=height)
                page.wait_until("document.querySelector('article, .home')")
                if hidden := page.value(HIDDEN):
                    page.resize(width=width, height=height + hidden)
                page.photograph(picture)
                sys.stdout.write(f"{picture}\n")
            studio.tidy_up()


if __name__ == "__main__":
    if not CHROMIUM:
        sys.exit("Chromium is not installed: apt-get install chromium.")
    if len(sys.argv) < 2:
        sys.exit("Name the folder for the pictures: scripts/pictures /tmp/pictures [SCENE…]")
    main(Path(sys.argv[1]), sys.argv[2:])
