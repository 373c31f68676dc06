"""What is left of replies that are not final: in Slack, and in the database."""

import time

from bot.lifecycle import Bot
from bot.replies.unfinished import LATE_NS
from bot.sandbox import Channel, Message, Sandbox
from storage import Observability
from storage.coordination.unfinished_replies import UnfinishedReply
from storage.database.models import UnfinishedReplyRow


def tick(*bots: Bot, after_ns: int = 0) -> None:
    """Run the recurring jobs, the repair of replies among them."""
    for bot in bots:
        bot.scheduler.take_over()
        bot.scheduler.tick(now=time.time_ns() + after_ns)


def all_ended(observability: Observability, *bots: Bot) -> bool:
    """Let the bots look for replies for as long as Slack may be late; return if none is left."""
    tick(*bots, after_ns=LATE_NS)
    return not left_replies(observability)


def left_replies(observability: Observability) -> list[UnfinishedReplyRow]:
    return list(UnfinishedReplyRow.select().execute(observability.database))


def is_at_work(message: Message) -> bool:
    """Return True if a message says that its agent is at work, or has a Stop button."""
    shown = f"{message.text}{message.blocks}"
    return "at work" in shown or "trace_stop" in shown


def unfinished_reply(question: Message, *, agent: str) -> UnfinishedReply:
    """Return the row of a reply to *question* that was begun when that was posted."""
    return UnfinishedReply(
        id=f"1:{agent}",
        trace_id="1",
        agent=agent,
        team="T0SANDBOX1",
        channel=question.channel,
        thread_ts=question.ts,
        message_ts=question.ts,
        user=question.user,
        begun_at=int(float(question.ts) * 1e9),
    )


def session_of(sandbox: Sandbox, channel: Channel, question: Message) -> str | None:
    """Return the status of the session of the question's thread, None if there is no session."""
    session = sandbox.session(channel, question.ts)
    return session and session.status


def refuse_all(sandbox: Sandbox, times: int = 100) -> None:
    """Let Slack refuse the next messages, whatever their form."""
    posting = ("chat.update", "chat.postMessage", "chat.stopStream")
    for method in (*posting, "files.getUploadURLExternal"):
        sandbox.faults.error(method, "message_limit_exceeded", times=times)


def running(sandbox: Sandbox, channel: Channel, question: Message, text: str = "") -> Message:
    """Wait until the live reply shows *text*, and return it."""
    reply = sandbox.wait_for_reply(channel, question.ts, containing=text)
    sandbox.wait_until(lambda: text in sandbox.thread(channel, question.ts)[-1].text)
    return reply
