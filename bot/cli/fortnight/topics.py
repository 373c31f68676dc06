"""Questions, small talk and commands of the people in the story."""

from dataclasses import dataclass

from bot.cli.fortnight.story import Tool


@dataclass(frozen=True, kw_only=True, slots=True)
class Topic:
    """A question, the tools that an agent uses for it, and its answer."""

    channel: str
    text: str
    answer: str
    tools: tuple[Tool, ...] = ()
    then: tuple[str, str] | None = None
    """The next question in the thread, and its answer."""


TOPICS = (
    Topic(
        channel="general",
        text="which tests were flaky this week?",
        tools=(
            Tool(name="Bash", about="gh run list --limit 50", seconds=4.2, output="50 runs"),
            Tool(
                name="Bash", about="pytest -x --count 20 tests/api", seconds=38.0, output="1 failed"
            ),
        ),
        answer="Two of them:\n\n- `test_retry_after`, 3 of 50 runs\n- `test_upload`, 1 of 50 runs",
        then=(
            "what makes test_retry_after fail?",
            "It compares **wall clocks** across a DST change.",
        ),
    ),
    Topic(
        channel="general",
        text="write the release notes of 2.4",
        tools=(
            Tool(
                name="Bash", about="git log v2.3..HEAD --oneline", seconds=0.8, output="41 commits"
            ),
            Tool(name="Read", about="CHANGELOG.md", seconds=0.3, output="## Unreleased"),
        ),
        answer="## 2.4\n\n- Digests at local time\n- Files are read before the agent starts",
        then=("and in German, please", "## 2.4\n\n- Zusammenfassungen zur lokalen Zeit"),
    ),
    Topic(
        channel="general",
        text="what does `retry_after` return for an HTTP date?",
        tools=(Tool(name="Read", about="bot/retry.py", seconds=0.4, output="def retry_after("),),
        answer="Seconds from now until that date, as a float; `None` if it cannot be read.",
    ),
    Topic(
        channel="general",
        text="배포 절차를 알려줘",
        tools=(Tool(name="Read", about="docs/deploy.ko.md", seconds=0.5, output="# 배포"),),
        answer="배포는 **세 단계**입니다.\n\n1. 스테이징 확인\n2. `make deploy`\n3. 지켜보기",
    ),
    Topic(
        channel="general",
        text="how many orders did we ship yesterday, by country?",
        tools=(
            Tool(name="Bash", about="psql -f orders_by_country.sql", seconds=6.1, output="4 rows"),
        ),
        answer="| country | orders |\n|---|--:|\n| DE | 412 |\n| KR | 388 |\n| US | 337 |",
        then=("is that more than the week before?", "Yes: 1,137 against 1,021, which is 11% more."),
    ),
    Topic(
        channel="incidents",
        text="why is checkout slow since this morning?",
        tools=(
            Tool(name="Bash", about="kubectl top pods -n checkout", seconds=2.4, output="3 pods"),
            Tool(
                name="Bash",
                about="kubectl logs checkout-7f9c",
                seconds=3.9,
                output="pool exhausted",
            ),
            Tool(name="Read", about="checkout/pool.py", seconds=0.3, output="max_connections = 20"),
        ),
        answer="Its **connection pool is exhausted**: 20 connections, 64 workers. Raise it to 64.",
        then=(
            "can we do that without a deploy?",
            "Yes: `kubectl set env deploy/checkout POOL=64`.",
        ),
    ),
    Topic(
        channel="incidents",
        text="summarise last night's incident for the people who were asleep",
        tools=(Tool(name="Bash", about="gh issue view 812", seconds=1.7, output="Incident 812"),),
        answer="A replica ran out of disk at 02:10 UTC; writes were refused for 14 minutes.",
    ),
    Topic(
        channel="incidents",
        text="is anything else on that node?",
        tools=(
            Tool(
                name="Bash",
                about="kubectl get pods -o wide",
                seconds=1.9,
                output="forbidden",
                failed=True,
            ),
        ),
        answer="I may not list the pods of other namespaces. Of ours, only `search` runs there.",
    ),
    Topic(
        channel="security",
        text="who still has a token from before the rotation?",
        tools=(Tool(name="Bash", about="vault list auth/token", seconds=2.8, output="2 left"),),
        answer="Two service accounts: `ci-legacy` and `metrics`. Both expire on Friday.",
        then=(
            "revoke the first one tomorrow?",
            "Nothing has used `ci-legacy` for 31 days, so: yes.",
        ),
    ),
    Topic(
        channel="security",
        text="does the new image have known vulnerabilities?",
        tools=(Tool(name="Bash", about="trivy image app:2.4", seconds=21.5, output="0 critical"),),
        answer="None that is critical; one *medium* in `libxml2`, fixed in 2.13.5.",
    ),
    Topic(
        channel="direct",
        text="how do I say this more kindly: your PR is too large",
        answer="“Could we split this into two? I'd like to give each part the review it deserves.”",
    ),
    Topic(
        channel="direct",
        text="draft an agenda for the planning on Monday",
        answer="1. What shipped\n2. What slipped, and why\n3. The next two weeks",
    ),
)

SMALL_TALK = (
    ("general", "anyone for lunch?"),
    ("general", "the coffee machine is fixed"),
    ("general", "I am off tomorrow, back on Thursday"),
    ("incidents", "looking at it"),
    ("incidents", "all green again"),
    ("security", "the audit is moved to next week"),
)
"""Channels, and what people write there to each other."""

REASONS = (
    "It did not read the runbook, and guessed.",
    "Half of the numbers are from last year.",
    "Too long: I wanted one sentence.",
)
"""Reasons that people give after a press on 👎."""

COMMANDS = (
    (("pytest", "-x"), 94.0, 0),
    (("pytest", "-x", "tests/api"), 31.5, 1),
    (("make", "deploy"), 212.0, 0),
    (("terraform", "plan"), 47.3, 0),
    (("make", "lint"), 12.8, 2),
)
"""Commands of a shell, the seconds that they take, and their exit codes."""

MCP_TOOLS = (("search_docs", 1.2), ("search_wiki", 2.6), ("search_code", 0.7))
"""Tools of an MCP server, and the seconds that a call takes."""
