"""How the workspace's page behaves: keyboard, streams, themes, phones, tables and emoji."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

import pytest
from slack_bolt import Ack, App
from slack_sdk import WebClient

from bot.sandbox import Channel, Message, Sandbox, User
from bot.sandbox.blocks.emoji import EMOJI
from tests.support.bolt_app import running
from tests.support.browser import CHROMIUM, Page
from tests.support.paths import MANIFEST

needs_chromium = pytest.mark.skipif(
    not CHROMIUM, reason="Chromium is not installed: apt-get install chromium."
)

LONG = "x" * 400


def plain(text: str) -> dict[str, str]:
    return {"type": "plain_text", "text": text}


INPUT = {
    "type": "input",
    "block_id": "why",
    "label": plain("Why?"),
    "element": {"type": "plain_text_input", "action_id": "why"},
}
MODAL = {
    "type": "modal",
    "callback_id": "note",
    "title": plain("A note"),
    "submit": plain("Save"),
    "blocks": [INPUT],
}
BUTTON = {"type": "button", "action_id": "note", "value": "1", "text": plain("Note")}
FEEDBACK = {
    "type": "feedback_buttons",
    "action_id": "thumb",
    "positive_button": {"text": plain("Good answer"), "value": "up"},
    "negative_button": {"text": plain("Bad answer"), "value": "down"},
}
SERIES = {"name": "turns", "data": [{"label": "Mon", "value": 3}, {"label": "Tue", "value": 5}]}
LINE = {"type": "line", "series": [SERIES], "axis_config": {"categories": ["Mon", "Tue"]}}
SEGMENTS = [{"label": "claude", "value": 3}, {"label": "codex", "value": 1}]
ROWS = [
    [{"type": "raw_text", "text": f"agent-{n}"}, {"type": "raw_number", "value": n, "text": f"{n}"}]
    for n in (3, 12, 1)
]
TABLE = {
    "type": "data_table",
    "caption": "Agents",
    "page_size": 2,
    "rows": [[{"type": "raw_text", "text": "Agent"}, {"type": "raw_text", "text": "Turns"}], *ROWS],
}
TASKS = [
    {"task_id": state, "title": state, "status": state}
    for state in ("pending", "in_progress", "complete", "error")
]
EVERYTHING: list[dict[str, Any]] = [
    {"type": "header", "text": plain("Last week :eyes:")},
    {"type": "section", "text": {"type": "mrkdwn", "text": "*97 %* `code` <!here> ```block```"}},
    {"type": "context", "elements": [{"type": "mrkdwn", "text": "since _Monday_"}]},
    {"type": "plan", "title": "Look it up", "tasks": TASKS},
    {"type": "data_visualization", "title": "By day", "chart": LINE},
    {
        "type": "data_visualization",
        "title": "By agent",
        "chart": {"type": "pie", "segments": SEGMENTS},
    },
    TABLE,
    {"type": "context_actions", "elements": [FEEDBACK]},
    {"type": "actions", "elements": [BUTTON, BUTTON | {"action_id": "b", "style": "danger"}]},
    {"type": "actions", "elements": [BUTTON | {"action_id": "c", "style": "primary"}]},
]

PALE = """\
(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map((each) => each / 255)
    .map((each) => (each <= .03928 ? each / 12.92 : ((each + .055) / 1.055) ** 2.4))
    .reduce((sum, each, index) => sum + each * [.2126, .7152, .0722][index], 0);
  const below = (node) => {
    for (; node; node = node.parentElement) {
      const colour = rgba(getComputedStyle(node).backgroundColor);
      if (colour[3] > 128) return colour;
    }
  };
  const pale = [];
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (words.nextNode()) {
    const node = words.currentNode.parentElement;
    if (!words.currentNode.data.trim() || !node.checkVisibility({ visibilityProperty: true }))
      continue;
    const style = getComputedStyle(node);
    const ink = light(rgba(node.closest("svg") ? style.fill : style.color));
    const paper = light(below(node));
    const [high, low] = [Math.max(ink, paper), Math.min(ink, paper)];
    const contrast = (high + .05) / (low + .05);
    if (contrast < 4.5) pale.push(`${contrast.toFixed(1)} ${words.currentNode.data.trim()}`);
  }
  return pale;
})()"""
"""JavaScript: the texts whose contrast is below that of WCAG's level AA."""


def show(page: Page, sandbox: Sandbox, *place: str, width: int = 1280) -> None:
    """Open a place of the page, and wait until it is drawn."""
    page.open(f"{sandbox.page_url}#{'/'.join(place)}", width=width, height=800)
    page.wait_until("document.querySelector('article, .empty, .home')")


def shown(page: Page, selector: str) -> Any:
    """Return the text of the first element that fits."""
    return page.value(f"document.querySelector('{selector}')?.innerText")


def focused(page: Page) -> Any:
    return page.value("document.activeElement.ariaLabel || document.activeElement.innerText")


def go_back_to(page: Page, selector: str) -> None:
    """Press Shift and Tab until the focus is on an element that fits."""
    for _ in range(20):
        page.press("Tab", shift=True)
        if page.value(f"document.activeElement.matches('{selector}')"):
            return
    pytest.fail(f"The keyboard does not reach {selector}.")


@contextmanager
def notes(sandbox: Sandbox) -> Iterator[list[str]]:
    """Run an app that asks for a note when its button is pressed, and refuses an empty one."""
    saved: list[str] = []

    def register(app: App) -> None:
        app.event(re.compile("."))(lambda ack: ack())

        @app.action("note")
        def ask(ack: Ack, client: WebClient, body: dict[str, Any]) -> None:
            client.views_open(trigger_id=body["trigger_id"], view=MODAL)
            ack()

        @app.view("note")
        def save(ack: Ack, view: dict[str, Any]) -> None:
            value = view["state"]["values"]["why"]["why"]["value"]
            if value:
                saved.append(value)
                ack()
            else:
                ack(response_action="errors", errors={"why": "Write a reason."})

    with running(sandbox, register):
        yield saved


@needs_chromium
def test_everything_is_done_with_the_keyboard(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel, page: Page
) -> None:
    show(page, sandbox, alice.id, general.id)
    assert page.value("document.activeElement.id") == "write"
    page.type("@tr")
    page.wait_until("document.querySelector('[role=option][aria-selected=true]')")
    page.press("Enter")
    page.type("why?")
    page.press("Enter", text="\r")
    question = sandbox.wait_for_message(general, user=alice)
    assert question.text == f"{sandbox.mention} why?"
    actions = {"type": "actions", "elements": [BUTTON]}
    web.chat_postMessage(
        channel=general.id, thread_ts=question.ts, text="Because.", blocks=[actions]
    )
    page.wait_until("document.querySelector('.replies')")
    go_back_to(page, "#main article button")
    page.press("ArrowUp")
    page.press("Enter", text="\r")
    page.wait_until("document.activeElement.id === 'reply'")
    with notes(sandbox) as saved:
        go_back_to(page, "#thread .block-actions button")
        page.press("Enter", text="\r")
        page.wait_until("document.querySelector('dialog[open]')")
        assert page.value("document.activeElement.dataset.action") == "why"
        for _ in range(8):  # The focus does not leave the modal.
            page.press("Tab")
            assert page.value("document.activeElement.closest('dialog, body').id") in ("modal", "")
        page.press("Escape")
        page.wait_until("!document.querySelector('dialog[open]')")
    assert saved == []
    page.press("Escape")
    page.wait_until("document.querySelector('#thread').hidden")
    assert focused(page).startswith("alice, ")


@needs_chromium
def test_a_mistake_in_a_modal_stands_below_its_field(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel, page: Page
) -> None:
    actions = {"type": "actions", "elements": [BUTTON]}
    web.chat_postMessage(channel=general.id, text="?", blocks=[actions])
    show(page, sandbox, alice.id, general.id)
    with notes(sandbox) as saved:
        page.value("document.querySelector('.block-actions button').click()")
        page.wait_until("document.querySelector('dialog[open]')")
        page.value("document.querySelector('dialog .primary').click()")
        page.wait_until("document.querySelector('.mistake').innerText === 'Write a reason.'")
        sandbox.post(alice, general, "A change elsewhere does not close the modal.")
        page.wait_until("document.querySelectorAll('article').length === 2")
        assert shown(page, "dialog[open] .mistake") == "Write a reason."
        page.type("Because.")
        page.press("Enter", text="\r")
        page.wait_until("!document.querySelector('dialog[open]')")
    assert saved == ["Because."]


def stream(sandbox: Sandbox, web: WebClient, alice: User, question: Message) -> str:
    answer = web.chat_startStream(
        channel=question.channel,
        thread_ts=question.ts,
        recipient_user_id=alice.id,
        recipient_team_id=sandbox.team_id,
        markdown_text="It begins.\n",
    )
    return str(answer["ts"])


@needs_chromium
def test_a_stream_grows_in_place_and_the_reader_stays_where_they_are(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel, page: Page
) -> None:
    question = sandbox.post(alice, general, f"{sandbox.mention} count")
    ts = stream(sandbox, web, alice, question)
    show(page, sandbox, alice.id, general.id, question.ts)
    page.wait_until("document.querySelector('.grows')")
    assert "tracebot is writing…" in shown(page, "#main .replies")
    page.value("window.first = document.querySelector('#thread article:last-child')")

    def grow(text: str) -> None:
        lines = "\n\n".join(f"{text} {n}" for n in range(60))
        web.chat_appendStream(channel=general.id, ts=ts, markdown_text=lines)
        page.wait_until(f"document.querySelector('#thread').innerText.includes('{text} 59')")

    at_end = "list.scrollHeight - list.scrollTop - list.clientHeight < 2"
    page.value("window.list = document.querySelector('#thread .list')")
    grow("one")
    page.wait_until(at_end)
    page.value("list.scrollTop = 100")
    page.wait_until("!document.querySelector('#thread').atEnd")
    grow("two")
    assert page.value("list.scrollTop") == 100
    assert page.value("window.first === document.querySelector('#thread article:last-child')")
    page.value("document.querySelector('#reply').focus()")
    page.type("Thanks!")
    page.press("Enter", text="\r")
    page.wait_until("list.lastElementChild.innerText.includes('Thanks!')")
    page.wait_until(at_end)


@needs_chromium
def test_all_texts_are_easy_to_read_in_both_themes(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel, page: Page
) -> None:
    web.chat_postMessage(channel=general.id, text="everything", blocks=EVERYTHING)
    question = sandbox.post(alice, general, f"{sandbox.mention} `code` &lt;b&gt;")
    web.reactions_add(channel=general.id, timestamp=question.ts, name="eyes")
    sandbox.react(alice, question, "tada")
    web.chat_postMessage(channel=general.id, thread_ts=question.ts, markdown_text="Well …")
    web.chat_postEphemeral(channel=general.id, user=alice.id, text="only for you")
    show(page, sandbox, alice.id, general.id, question.ts)
    page.wait_until("document.querySelector('#thread article')")
    page.value("document.querySelector('#reply').value = '@'")
    page.value("document.querySelector('#reply').dispatchEvent(new Event('input'))")
    papers = []
    for scheme in ("light", "dark"):
        page.prefer(scheme)
        papers.append(page.value("getComputedStyle(document.body).backgroundColor"))
        assert page.value(PALE) == []
    assert papers == ["rgb(255, 255, 255)", "rgb(26, 29, 33)"]


@needs_chromium
def test_the_switch_of_the_theme_is_remembered(
    sandbox: Sandbox, alice: User, general: Channel, page: Page
) -> None:
    look = "getComputedStyle(document.documentElement).colorScheme"
    show(page, sandbox, alice.id, general.id)
    page.value("document.querySelector('#theme').click()")
    page.value("document.querySelector('#theme').click()")
    assert page.value(look) == "dark"
    show(page, sandbox, alice.id, general.id)
    assert page.value(look) == "dark"
    page.value("document.querySelector('#theme').click()")
    assert page.value(look) == "light dark"


@needs_chromium
def test_nothing_is_wider_than_a_phone(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel, page: Page
) -> None:
    other = sandbox.add_channel("other", [alice])
    blocks = [*EVERYTHING, {"type": "markdown", "text": f"```\n{LONG}\n```\n\n`{LONG}`"}]
    web.chat_postMessage(channel=general.id, text="everything", blocks=blocks)
    show(page, sandbox, alice.id, general.id, width=390)
    assert page.value("document.documentElement.scrollWidth") == 390
    assert page.value("document.querySelector('.list').scrollWidth") == 390
    assert page.value("document.querySelector('.markdown pre').scrollWidth") > 390
    page.value("document.querySelector('.back').click()")
    assert page.value("getComputedStyle(document.querySelector('#main')).display") == "none"
    assert focused(page).strip() == "general"
    page.press("ArrowDown")
    page.press("Enter", text="\r")
    page.wait_until(f"location.hash.endsWith('{other.id}')")
    assert shown(page, "#main h2") == "#other"


@needs_chromium
def test_a_table_is_sorted_by_a_column_and_shown_in_pages(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel, page: Page
) -> None:
    web.chat_postMessage(channel=general.id, text="table", blocks=[TABLE])
    show(page, sandbox, alice.id, general.id)
    column = "[...document.querySelectorAll('tbody tr:not([hidden])')].map((row) => row.innerText)"

    def sort() -> Any:
        page.value("document.querySelectorAll('.sorter')[1].click()")
        order = "document.querySelectorAll('thead th')[1].getAttribute('aria-sort')"
        return page.value(order), [row.split("\t")[1] for row in page.value(column)]

    assert sort() == ("ascending", ["1", "3"])
    assert sort() == ("descending", ["12", "3"])
    assert shown(page, ".pages span") == "1–2 of 3"
    page.value("document.querySelector('[aria-label=\"Next page\"]').click()")
    assert page.value(column) == ["agent-1\t1"]
    assert sort() == (None, ["3", "12"])


@needs_chromium
def test_a_table_whose_first_row_is_short_is_shown(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel, page: Page
) -> None:
    head = [{"type": "raw_text", "text": name} for name in ("Agent", "Turns")]
    table = {"type": "table", "rows": [head, [{"type": "raw_text", "text": "claude"}]]}
    web.chat_postMessage(channel=general.id, text="By agent", blocks=[table])
    show(page, sandbox, alice.id, general.id)
    assert page.value("document.querySelector('table').rows[1].innerText") == "claude"


@needs_chromium
def test_commands_people_and_emoji_are_completed(
    sandbox: Sandbox, alice: User, general: Channel, page: Page
) -> None:
    sandbox.add_user("bob")
    show(page, sandbox, alice.id, general.id)

    def typed(text: str) -> list[str]:
        page.value("document.querySelector('#write').value = ''")
        page.type(text)
        # The title of a picture, too: a machine may have no font of emoji.
        options = (
            "[...document.querySelectorAll('[role=option] b')].map((each) => each.textContent)"
        )
        found: list[str] = page.value(options)
        return found

    assert typed("/") == ["/trace"]
    assert typed("/trace s") == ["/trace stats", "/trace show ID"]
    assert typed("ask @B") == ["@bob"]
    assert typed(":rocke") == ["🚀 :rocket:"]
    assert page.value("document.querySelector('#write').ariaExpanded") == "true"
    assert typed("me@b") == []
    assert typed("10:30") == []
    typed("/tr")
    page.press("Tab")
    assert page.value("document.querySelector('#write').value") == "/trace "
    assert page.value("document.activeElement.id") == "write"


@needs_chromium
def test_home_keeps_the_focus_while_it_changes(
    sandbox: Sandbox, web: WebClient, alice: User, page: Page
) -> None:
    def publish(text: str) -> None:
        blocks = [
            {"type": "header", "text": plain(text)},
            {"type": "actions", "elements": [BUTTON]},
        ]
        web.views_publish(user_id=alice.id, view={"type": "home", "blocks": blocks})
        page.wait_until(f"document.querySelector('.home h3')?.innerText === '{text}'")

    page.open(f"{sandbox.page_url}#{alice.id}/home", width=1280, height=800)
    publish("Before")
    page.value("document.querySelector('.home button').focus()")
    publish("After")
    assert focused(page) == "Note"
    page.wait_until("document.querySelector('#channels').innerText.includes('Direct messages')")
    page.value("document.querySelectorAll('.tabs button')[1].click()")
    assert page.value("document.querySelector('#write').ariaLabel") == "Message tracebot"


@needs_chromium
def test_a_link_to_a_message_opens_it_in_the_page(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel, page: Page
) -> None:
    other = sandbox.add_channel("other", [alice])
    root = sandbox.post(alice, general, "root")
    reply = sandbox.post(alice, general, "the reply", thread_ts=root.ts)
    link = web.chat_getPermalink(channel=general.id, message_ts=reply.ts)["permalink"]
    sandbox.post(alice, other, f"see <{link}|there>, not <javascript:alert(1)|here>")
    show(page, sandbox, alice.id, other.id)
    assert page.value("document.querySelectorAll('article a').length") == 1
    page.value("document.querySelector('article a').click()")
    page.wait_until("document.querySelector('#thread').innerText.includes('the reply')")
    assert shown(page, "#main h2") == "#general"


@needs_chromium
def test_an_address_of_what_is_not_there_is_explained(
    sandbox: Sandbox, alice: User, general: Channel, page: Page
) -> None:
    gone = sandbox.post(alice, general, "gone")
    sandbox.delete(alice, gone)
    for place, said in (
        ((general.id, gone.ts), "That message is not in this conversation"),
        (("C0NOBODYS",), "That conversation is not one of yours"),
    ):
        show(page, sandbox, alice.id, *place)
        page.wait_until("document.querySelector('#main .notice')")
        assert said in shown(page, ".notice")
        assert shown(page, "#main h2") == "#general"
        assert page.value("document.querySelector('#thread').hidden")


@needs_chromium
def test_a_notice_is_not_in_a_thread_that_a_phone_has_just_closed(
    sandbox: Sandbox, alice: User, general: Channel, page: Page
) -> None:
    root = sandbox.post(alice, general, "root")
    show(page, sandbox, alice.id, general.id, root.ts, width=390)
    page.wait_until("document.querySelector('#reply')")
    page.value("document.querySelector('#reply').focus()")
    page.value(f"location.hash = '#{alice.id}/{general.id}/1.0'")
    page.wait_until("document.querySelector('.notice')?.checkVisibility()")


@needs_chromium
def test_another_person_has_neither_typed_nor_rated_what_the_first_one_did(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel, page: Page
) -> None:
    bob = sandbox.add_user("bob")
    sandbox.join(bob, general)
    actions = {"type": "context_actions", "elements": [FEEDBACK]}
    web.chat_postMessage(channel=general.id, text="An answer", blocks=[actions])
    show(page, sandbox, alice.id, general.id)
    page.type("a draft")
    page.value("document.querySelector('.blocks button').click()")
    page.wait_until("document.querySelector('.blocks button').ariaPressed === 'true'")
    for person, typed, rated in ((bob, "", "false"), (alice, "a draft", "true")):
        page.value(f"location.hash = '#{person.id}/{general.id}'")
        page.wait_until(f"document.querySelector('#me').value === '{person.id}'")
        page.wait_until("document.querySelector('.blocks button')")
        assert page.value("document.querySelector('#write').value") == typed
        assert page.value("document.querySelector('.blocks button').ariaPressed") == rated


@needs_chromium
def test_who_is_in_no_channel_sees_home(sandbox: Sandbox, alice: User, page: Page) -> None:
    page.open(f"{sandbox.page_url}#{alice.id}", width=1280, height=800)
    page.wait_until("document.querySelector('#main h2')?.innerText === 'tracebot'")


ATTACH = """\
(() => {
  const box = document.querySelector("#write");
  const input = document.querySelector("#main input[type=file]");
  const given = new DataTransfer();
  given.items.add(new File([new Uint8Array(100_000)], "a.bin"));
  input.files = given.files;
  input.onchange();
  const pressEnter = () => box.onkeydown(new KeyboardEvent("keydown", { key: "Enter" }));
  pressEnter();
  pressEnter();
  LEAVE;
})()"""
"""JavaScript: attach a file, press Enter twice, and leave."""


@needs_chromium
def test_a_file_is_sent_once_and_to_the_channel_in_which_it_was_attached(
    sandbox: Sandbox, alice: User, general: Channel, page: Page
) -> None:
    other = sandbox.add_channel("other", [alice])
    show(page, sandbox, alice.id, general.id)
    open_other = "document.querySelector('#channels button:not([aria-current])').click()"
    page.value(ATTACH.replace("LEAVE", open_other))
    page.wait_until("document.querySelector('#main h2').innerText === '#other'")
    sandbox.wait_for_message(general, user=alice)
    assert [len(sandbox.messages(each)) for each in (general, other)] == [1, 0]


@needs_chromium
def test_a_file_is_sent_by_the_person_who_attached_it(
    sandbox: Sandbox, alice: User, general: Channel, page: Page
) -> None:
    bob = sandbox.add_user("bob")
    sandbox.join(bob, general)
    show(page, sandbox, alice.id, general.id)
    page.value(ATTACH.replace("LEAVE", f"location.hash = '#{bob.id}/{general.id}'"))
    page.wait_until(f"document.querySelector('#me').value === '{bob.id}'")
    sandbox.wait_until(lambda: sandbox.messages(general))
    assert [each.user for each in sandbox.messages(general)] == [alice.id]


@needs_chromium
def test_a_refused_command_is_explained_and_stays_to_be_mended(
    sandbox: Sandbox, alice: User, general: Channel, page: Page
) -> None:
    show(page, sandbox, alice.id, general.id)
    page.type("/nope")
    page.press("Enter", text="\r")
    page.wait_until("document.querySelector('.notice[role=alert]')")
    assert "not a valid command" in shown(page, ".notice")
    assert page.value("document.querySelector('#write').value") == "/nope"


@needs_chromium
@pytest.mark.parametrize("width", [390, 800])
def test_what_is_refused_in_a_thread_is_explained_there(
    sandbox: Sandbox, alice: User, general: Channel, page: Page, width: int
) -> None:
    question = sandbox.post(alice, general, "why?")
    show(page, sandbox, alice.id, general.id, question.ts, width=width)
    page.wait_until("document.querySelector('#reply')")
    page.value("document.querySelector('#reply').focus()")
    page.type("/nope")
    page.press("Enter", text="\r")
    page.wait_until("document.querySelector('#thread .notice')")
    assert page.value("document.querySelector('.notice').checkVisibility()")


@needs_chromium
def test_a_message_of_an_app_that_has_only_a_text_shows_it(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel, page: Page
) -> None:
    web.chat_postMessage(channel=general.id, text="Only *words*.")
    show(page, sandbox, alice.id, general.id)
    assert shown(page, "#main article .text") == "Only words."


@needs_chromium
def test_a_name_of_no_emoji_and_nobody_stays_as_it_is(
    sandbox: Sandbox, alice: User, general: Channel, page: Page
) -> None:
    sandbox.post(alice, general, ":constructor: :__proto__: <@constructor> <@__proto__>")
    show(page, sandbox, alice.id, general.id)
    assert shown(page, "#main article .text") == (
        ":constructor: :__proto__: @constructor @__proto__"
    )


@needs_chromium
def test_a_message_of_others_is_read_aloud_once_it_is_complete(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel, page: Page
) -> None:
    question = sandbox.post(alice, general, f"{sandbox.mention} count")
    show(page, sandbox, alice.id, general.id, question.ts)
    ts = stream(sandbox, web, alice, question)
    page.wait_until("document.querySelector('#thread .grows')")
    assert page.value("document.querySelector('[aria-live=polite]').innerText") == ""
    web.chat_stopStream(channel=general.id, ts=ts, markdown_text="It ends.")
    page.wait_until("document.querySelector('[aria-live=polite]').textContent.includes('It ends.')")


@needs_chromium
def test_the_page_says_that_the_sandbox_stopped_and_finds_the_next_one(page: Page) -> None:
    with Sandbox.start(MANIFEST) as first:
        alice = first.add_user("alice")
        first.post(alice, first.add_channel("general", [alice]), "before")
        show(page, first, alice.id)
    page.wait_until("document.body.classList.contains('offline')")
    port = int(first.page_url.rstrip("/").rpartition(":")[2])
    with Sandbox.start(MANIFEST, port=port) as second:
        alice = second.add_user("alice")
        second.post(alice, second.add_channel("general", [alice]), "after")
        page.wait_until("document.querySelector('#main').innerText.includes('after')")
        assert "before" not in shown(page, "#main .list")
        assert not page.value("document.body.classList.contains('offline')")
    assert all("ERR_CONNECTION_REFUSED" in complaint for complaint in page.complaints)
    page.complaints.clear()


@needs_chromium
def test_emoji_are_pictures_if_the_machine_has_no_font_of_them(
    sandbox: Sandbox, alice: User, general: Channel, page: Page
) -> None:
    sandbox.post(alice, general, "done ✅ :tada: ⚠️")
    with page.before_each("CanvasRenderingContext2D.prototype.fillText = () => {}"):
        show(page, sandbox, alice.id, general.id)
        drawn = "[...document.querySelectorAll('.text .emoji')].map((each) => each.textContent)"
        assert page.value(drawn) == ["✅", "🎉", "⚠️"]
        height = "document.querySelector('.text .emoji use').getBoundingClientRect().height"
        page.wait_until(f"{height} > 5")


def test_each_emoji_has_a_picture() -> None:
    pictures = files("bot.sandbox.page").joinpath("static/emoji.svg").read_text(encoding="utf-8")
    missing = [name for name in EMOJI if f'id="{name}"' not in pictures]
    assert missing == [], "draw them in bot/sandbox/page/static/emoji.svg"
