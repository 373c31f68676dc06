"""Film a mention, its streamed answer, its trace and an alert in the workspace's page.

`scripts/pictures` without arguments writes the film into docs/pictures as two animated PNG files:
`tracebot-light.png` and `tracebot-dark.png`. The bot and its messages are the real ones; only the
agent is directed.
"""

import sys
import time

from bot.sandbox import Channel
from tests.support.animated_png import Frame, animated_png
from tests.support.browser import CHROMIUM, Page
from tests.support.factories import MINUTE
from tests.support.paths import ROOT
from tests.support.pictures import ALERT, Studio, open_studio

FOLDER = ROOT / "docs" / "pictures"
WIDTH, HEIGHT = 1120, 700
SCHEMES = ("light", "dark")

ANSWER = {
    "312 requests timed out while they waited for a connection. ": "a connection.",
    "Release 2.4 set `pool_size` to 20, ": "to 20,",
    "and checkout needs 50. ": "needs 50.",
    "With 50 the p95 in staging goes from 2.9 s to 310 ms.": "310 ms",
}
"""Pieces of the answer, each with what the page shows at its end."""

FIGURES = {
    "model": "claude-opus-4-8",
    "input_tokens": 18_204,
    "output_tokens": 411,
    "cost": 214_000,
    "cost_source": "reported",
}

QUESTION = "[...document.querySelectorAll('#main article')].pop()"
THREAD = "document.querySelector('#thread')"
MORE = f"[...{THREAD}.querySelectorAll('article [title=\"More actions\"]')].pop()"
SHOW_TRACE = (
    "[...document.querySelectorAll('#menu button')]"
    ".find((each) => each.textContent === 'Show trace')"
)
MODAL = "document.querySelector('#modal')"
"""JavaScript: the newest message of the channel, and others of the page's elements."""


class Film:
    """The frames of both colour schemes, as they are taken."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.frames: dict[str, list[Frame]] = {scheme: [] for scheme in SCHEMES}

    def take(self, seconds: float) -> None:
        """Take a frame that is shown for so long."""
        for scheme in SCHEMES:
            self.page.prefer(scheme)
            self.frames[scheme].append(Frame(self.page.screenshot(), seconds))

    def click(self, element: str, *, then: str) -> None:
        """Click on an element, and wait until a condition is true; both are JavaScript."""
        self.page.wait_until(element)
        self.page.value(f"{element}.click()")
        self.page.wait_until(then)


def shoot(studio: Studio, channel: Channel, film: Film) -> None:
    """Play the film's conversation in a channel."""
    sandbox, page = studio.sandbox, film.page
    dana = sandbox.add_user("dana")
    for each in (dana, studio.grafana):
        sandbox.join(each, channel)
    sandbox.command(dana, channel, "/trace", "alerts add error_rate>20% agent:codex over:168h")
    sandbox.post(dana, channel, "release 2.4 is out")
    sandbox.post(studio.grafana, channel, attachments=[ALERT])
    page.open(f"{sandbox.page_url}#{studio.alice.id}/{channel.id}", width=WIDTH, height=HEIGHT)
    page.wait_until("document.activeElement.id === 'write'")
    film.take(0.8)
    for piece in ("@tra", "cebot ", "why is ", "checkout ", "slow ", "since 09:14?"):
        page.type(piece)
        film.take(0.15)
    page.press("Enter", text="\r")
    studio.agent.wait_until_asked()
    page.wait_until(f"{QUESTION}.querySelector('.reactions')")
    film.take(0.8)
    _answer(studio, film)
    page.value(f"{MORE}.closest('article').focus()")
    film.click(MORE, then=SHOW_TRACE)
    film.take(0.8)
    film.click(SHOW_TRACE, then=f"/Answered/.test({MODAL}.textContent)")
    film.take(4.5)
    film.click(f"{MODAL}.querySelector('[aria-label=Close]')", then=f"!{MODAL}.open")
    page.press("Escape")
    page.value("document.querySelector('#write').focus()")
    film.take(0.8)
    for minute in range(3):
        studio.tick(now=time.time_ns() + minute * MINUTE)
    sandbox.wait_for_message(channel, containing="Error share of codex: ")
    page.wait_until(f"/Error share of codex: /.test({QUESTION}.textContent)")
    film.take(4.5)


def _answer(studio: Studio, film: Film) -> None:
    """Let the agent use two tools and answer, in the thread that is opened meanwhile."""
    agent = studio.agent
    agent.use("Bash: kubectl logs deploy/checkout --since=2h")
    film.click(
        f"{QUESTION}.querySelector('.replies')", then=f"/kubectl/.test({THREAD}.textContent)"
    )
    film.take(0.8)
    agent.used("312 timeouts")
    agent.use("Read config/pool.toml")
    film.page.wait_until(f"/pool.toml/.test({THREAD}.textContent)")
    film.take(0.8)
    agent.used("pool_size = 20")
    for piece, shown in ANSWER.items():
        agent.say(piece)
        film.page.wait_until(f"{THREAD}.textContent.includes('{shown}')")
        film.take(0.5)
    agent.end("".join(ANSWER), **FIGURES)
    film.page.wait_until(f"{QUESTION}.querySelector('.reactions').textContent.includes('1')")
    film.page.wait_until(f"!{THREAD}.querySelector('.status, .grows')")
    film.take(2.0)


def main() -> None:
    """Write the film in both colour schemes."""
    FOLDER.mkdir(exist_ok=True)
    with open_studio() as (studio, channels, page):
        film = Film(page)
        shoot(studio, channels["incidents"], film)
        for scheme, frames in film.frames.items():
            picture = FOLDER / f"tracebot-{scheme}.png"
            picture.write_bytes(animated_png(page, frames))
            sys.stdout.write(f"{picture}\n")


if __name__ == "__main__":
    if not CHROMIUM:
        sys.exit("Chromium is not installed: apt-get install chromium.")
    main()
