"""Build the story of a fortnight, the same each time.

Its days are the 24 hours before its end and so on, so that it always ends with a day of work.
People work in the last ten hours of each. All chance comes from one seed, so what a report should
say can be worked out from the list of events alone.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from bot.cli.fortnight.clock import SECOND_NS
from bot.cli.fortnight.story import (
    DAY,
    Attempt,
    Ending,
    Event,
    McpCall,
    Minutes,
    Order,
    Person,
    Place,
    Question,
    ShellRun,
    Story,
    Talk,
    Thumb,
)
from bot.cli.fortnight.topics import (
    COMMANDS,
    MCP_TOOLS,
    REASONS,
    SMALL_TALK,
    TOPICS,
    Topic,
)

SEED = 42
HOUR = 3_600
MORNING = DAY - 10 * HOUR
"""The time at which people begin to work, in seconds of a day of the story."""

FORTNIGHT = 14

PEOPLE = (
    Person(name="alice", zone="Europe/Berlin", admin=True),
    Person(name="bob", zone="Europe/London"),
    Person(name="carol", zone="America/New_York"),
    Person(name="jisoo", zone="Asia/Seoul"),
)

CHANNELS = (
    Place(name="general", members=("alice", "bob", "carol", "jisoo")),
    Place(name="incidents", members=("alice", "bob", "carol")),
    Place(name="security", members=("alice", "bob"), private=True),
)

MEMBERS = {each.name: each.members for each in CHANNELS} | {"direct": ("carol", "jisoo")}

MODELS = {"claude": "claude-opus-4-8", "codex": "gpt-5.2-codex", "gemini": "gemini-3-pro"}
"""Program → its model. Claude reports its cost, codex's price is known, gemini's is not."""

SHARES = {"claude": 6, "codex": 3, "gemini": 1}

ORDERS = (
    ("general", "digest here weekdays at 09:00"),
    ("incidents", "alerts add error_rate>30% agent:codex over:1h"),
)
"""Commands of alice on the first day; a budget follows once the cost of claude is known."""

OUTAGE = Topic(
    channel="incidents",
    text="",
    answer="A migration holds it: it adds an index, and will be done in four minutes.",
)
ASKED_THEN = (
    "what locks the orders table?",
    "who runs a migration right now?",
    "how far behind is the replica?",
    "which deploys touched orders today?",
    "is it the new index?",
)
"""Questions to codex while its disk is full."""

Scene = Callable[["_Plot", float], Iterable[Event]]
"""Return the events of a scene that begins at a time, in seconds of the story."""


def fortnight(until: datetime, *, days: int = FORTNIGHT) -> Story:
    """Return the story that ends at *until*, or one of fewer *days*."""
    plot = _Plot(until, days)
    plot.settle_in()
    for day in range(days):
        plot.work(day)
    plot.mornings()
    plot.limit_costs()
    return Story(
        begins_at=plot.begins_at,
        people=PEOPLE,
        channels=CHANNELS,
        events=tuple(sorted(plot.events, key=lambda event: event.at)),
    )


@dataclass(slots=True)
class _Plot:
    """The events of a story that is being built."""

    until: datetime
    days: int
    events: list[Event] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(SEED))

    def settle_in(self) -> None:
        """Let alice set up a digest and an alert on the first day."""
        for minute, (channel, text) in enumerate(ORDERS):
            at = MORNING + minute * 60
            self.events.append(Order(at=at, person="alice", channel=channel, text=text))

    @property
    def begins_at(self) -> int:
        begin = self.until - timedelta(days=self.days)
        return round(begin.timestamp()) * SECOND_NS

    def mornings(self) -> None:
        """Let the bot post its digests, at 09:00 where alice is."""
        begin = datetime.fromtimestamp(self.begins_at / SECOND_NS, ZoneInfo(PEOPLE[0].zone))
        nine = begin.replace(hour=9, minute=0, second=0, microsecond=0)
        for day in range(self.days + 1):
            at = (nine + timedelta(days=day)).timestamp() - begin.timestamp()
            if MORNING < at < self.days * DAY:
                self.events.append(Minutes(at=at))

    def limit_costs(self) -> None:
        """Set a budget that claude's dearest day uses up to 90%: it warns, and stops nothing."""
        zone = ZoneInfo(PEOPLE[0].zone)
        days: Counter[date] = Counter()
        for event in self.events:
            if isinstance(event, Question) and event.agent == "claude":
                when = datetime.fromtimestamp(self.begins_at / SECOND_NS + event.at, zone)
                days[when.date()] += sum(map(_cost, event.attempts))
        text = f"budget add {max(days.values()) / 900_000:.2f}/day agent:claude"
        order = Order(at=MORNING + 120, person="alice", channel="general", text=text)
        self.events.append(order)

    def work(self, day: int) -> None:
        """Fill a day. Each scene has a part of it to itself, so that nothing overlaps."""
        scenes = self._scenes(day)
        part = 10 * HOUR / len(scenes)
        for number, scene in enumerate(scenes):
            at = day * DAY + MORNING + 600 + round(part * number)
            self.events += scene(self, at)
            self.events.append(Minutes(at=at + part / 2))

    def _scenes(self, day: int) -> list[Scene]:
        ends = self.until - timedelta(days=self.days - 1 - day)
        weekend = ends.weekday() >= 5 and day < self.days - 1
        counts = (2, 0, 1, 0) if weekend else (6, 2, 1, 1)
        kinds = (_Plot._topic, _Plot._talk, _Plot._shell, _Plot._mcp)
        scenes: list[Scene] = [
            kind for kind, count in zip(kinds, counts, strict=True) for _ in range(count)
        ]
        self.chance.shuffle(scenes)
        if day == self.days - 2:
            scenes.insert(4, _Plot._outage)
            scenes.insert(6, _Plot._calm)
        if day == self.days - 1:
            scenes.insert(5, _Plot._hang)
        return scenes

    def _topic(self, at: float) -> Iterator[Event]:
        """Ask about a topic, and often go on in its thread."""
        topic = self.chance.choice(TOPICS)
        members = MEMBERS[topic.channel]
        person = self.chance.choice(members)
        agent = self.chance.choices(list(SHARES), list(SHARES.values()))[0]
        first = self._question(at, topic, person, agent)
        yield first
        if topic.then and self.chance.random() < 0.7:
            other = person if topic.channel == "direct" else self.chance.choice(members)
            later = at + sum(each.seconds for each in first.attempts) + self._seconds(60, 400)
            text, answer = topic.then
            then = replace(topic, text=text, answer=answer, tools=topic.tools[:1])
            yield replace(self._question(later, then, other, agent), follows=True)

    def _question(self, at: float, topic: Topic, person: str, agent: str) -> Question:
        attempts = self._attempts(topic, agent)
        answered = attempts[-1].ending == "answer"
        return Question(
            at=at,
            person=person,
            channel=topic.channel,
            text=topic.text,
            agent=agent,
            attempts=attempts,
            thumb=self._thumb(topic, person) if answered else None,
        )

    def _attempts(self, topic: Topic, agent: str) -> tuple[Attempt, ...]:
        """Return what the agent's programs do: sometimes claude is overloaded, and codex asked."""
        luck = self.chance.random()
        attempt = self._attempt(topic, agent)
        if agent == "claude" and luck < 0.08:
            return (_failing(attempt, "overloaded"), self._attempt(topic, "codex"))
        if agent == "codex" and luck < 0.1:
            return (_failing(attempt, "crash"),)
        return (attempt,)

    def _attempt(self, topic: Topic, program: str) -> Attempt:
        chance = self.chance
        read = chance.randrange(20_000, 240_000)
        cached = read * chance.randrange(40, 90) // 100
        written = chance.randrange(120, 2_400)
        return Attempt(
            program=program,
            model=MODELS[program],
            first_s=self._seconds(1.5, 6),
            tools=tuple(replace(tool, seconds=self._around(tool.seconds)) for tool in topic.tools),
            writing_s=self._seconds(3, 25),
            text=topic.answer,
            input_tokens=read,
            cached_tokens=cached,
            output_tokens=written,
            cost=_told_cost(read, cached, written) if program == "claude" else None,
        )

    def _thumb(self, topic: Topic, asked_by: str) -> Thumb | None:
        if self.chance.random() > 0.4:
            return None
        members = (asked_by,) if topic.channel == "direct" else MEMBERS[topic.channel]
        up = self.chance.random() < 0.8
        return Thumb(
            person=self.chance.choice(members),
            up=up,
            button=not up or self.chance.random() < 0.5,
            reason="" if up else self.chance.choice(REASONS),
        )

    def _talk(self, at: float) -> Iterator[Event]:
        channel, text = self.chance.choice(SMALL_TALK)
        yield Talk(at=at, person=self.chance.choice(MEMBERS[channel]), channel=channel, text=text)

    def _shell(self, at: float) -> Iterator[Event]:
        command, seconds, exit_code = self.chance.choice(COMMANDS)
        yield ShellRun(at=at, command=command, seconds=self._around(seconds), exit_code=exit_code)

    def _mcp(self, at: float) -> Iterator[Event]:
        tool, seconds = self.chance.choice(MCP_TOOLS)
        yield McpCall(at=at, tool=tool, seconds=self._around(seconds), found=round(at) % 7)

    def _outage(self, at: float) -> Iterator[Event]:
        """Let codex's disk be full, so that the alert on it fires."""
        for number in range(len(ASKED_THEN)):
            topic = replace(OUTAGE, text=ASKED_THEN[number])
            asked = self._question(at + number * 180, topic, "bob", "codex")
            yield replace(asked, attempts=(_failing(asked.attempts[-1], "crash"),), thumb=None)
        yield Minutes(at=at + 900, count=3)

    def _calm(self, at: float) -> Iterator[Event]:
        """Let codex answer again until the alert ends."""
        for number in range(3):
            topic = replace(OUTAGE, text=ASKED_THEN[number])
            asked = self._question(at + number * 180, topic, "alice", "codex")
            thumb = Thumb(person="bob", up=True, taken_back=True) if number == 2 else None
            yield replace(asked, attempts=(self._attempt(OUTAGE, "codex"),), thumb=thumb)
        yield Minutes(at=at + 55 * 60, count=3)

    def _hang(self, at: float) -> Iterator[Event]:
        """Let a test hang until claude's time is over, and gemini answer nothing at all."""
        asked = self._question(at, TOPICS[0], "carol", "claude")
        hangs = replace(self._attempt(TOPICS[0], "claude"), ending="timeout", cost=None)
        yield replace(asked, attempts=(hangs, self._attempt(TOPICS[0], "codex")), thumb=None)
        asked = self._question(at + 900, TOPICS[2], "jisoo", "gemini")
        hangs = replace(self._attempt(TOPICS[2], "gemini"), ending="timeout")
        yield replace(asked, attempts=(hangs,), thumb=None)

    def _seconds(self, least: float, most: float) -> float:
        return round(self.chance.uniform(least, most), 1)

    def _around(self, seconds: float) -> float:
        return round(seconds * self.chance.uniform(0.7, 1.6), 1)


def _told_cost(read: int, cached: int, written: int) -> int:
    """Return the cost that claude reports: $5, $0.50 and $25 for a million tokens."""
    return (read - cached) * 5 + cached // 2 + written * 25


def _cost(attempt: Attempt) -> int:
    """Return what the record will know of an attempt's cost: codex's is that of its list price."""
    if attempt.program != "codex":
        return attempt.cost or 0
    read, cached = attempt.input_tokens, attempt.cached_tokens
    return round((read - cached) * 1.75 + cached * 0.175 + attempt.output_tokens * 14)


def _failing(attempt: Attempt, ending: Ending) -> Attempt:
    """Return the attempt as it fails before it has done anything."""
    return Attempt(
        program=attempt.program,
        model=attempt.model,
        first_s=attempt.first_s,
        writing_s=0.5,
        ending=ending,
        cost=0 if ending == "overloaded" and attempt.program == "claude" else None,
    )
