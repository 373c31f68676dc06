"""Tell what the end of an agent's program means: a reply, or the reason why there is none."""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.agents.errors import (
    OUTPUT_LIMIT,
    AgentCancelled,
    AgentCrashed,
    AgentError,
    AgentTimeout,
    SessionGone,
)
from bot.agents.last_words import last_words
from bot.agents.programs.catalog import COMMAND, Program
from bot.agents.programs.output.answer import ParsedAnswer
from bot.agents.programs.output.error_types import error_type_of
from bot.agents.programs.process.supervisor import Limits, Outcome, ending
from bot.agents.types import Reply, Request
from storage.model.redaction import redacted_start

FAILURES: Mapping[str, tuple[str, str]] = {
    "quota": ("has used up its quota", ": wait, or raise the account's limits"),
    "authentication": ("is not signed in", ": sign in with its program, or pass its key"),
    "refused": ("refused to answer", ": ask for something else"),
    "too_long": ("cannot take so long a conversation", ": ask in a new one"),
    "output_limit": ("used up its output tokens", ": ask for less at once, or raise its limit"),
    "crash": ("failed", ""),
}
"""Error type → what happened, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A program that has ended: how its process did, and what was read of its output."""

    agent: str
    program: Program
    model: str | None
    limits: Limits
    request: Request
    outcome: Outcome
    answer: ParsedAnswer

    def reply(self) -> Reply:
        """Return the reply, or raise the first of the reasons why there is none."""
        outcome, answer, request = self.outcome, self.answer, self.request
        code = outcome.exit_code
        partial = answer.reply(provider=self.program.name, model=self.model, exit_code=code)
        if outcome.stopped == "cancelled":
            by = request.cancellation.by or "somebody"
            raise AgentCancelled(by, stderr=outcome.stderr, partial=partial)
        if outcome.stopped == "timeout":
            if self._answered():  # It only did not exit.
                return partial
            raise AgentTimeout(
                f"{self.agent} did not answer within {self.limits.timeout_s:g} s and was stopped: "
                "set a longer timeout in the agents file, or ask for less.",
                stderr=outcome.stderr,
                partial=partial,
            )
        failure = self._failure()
        if failure is None:
            return partial
        error_type, message = failure
        if request.session is not None and self._lost_session(error_type):
            raise SessionGone(message, exit_code=code, stderr=outcome.stderr, partial=partial)
        said = answer.failure[1] if answer.failure is not None else ""
        words = {"stderr": outcome.stderr, "said": said}
        if error_type == "crash":
            raise AgentCrashed(message, exit_code=code, partial=partial, **words)
        raise AgentError(error_type, message, exit_code=code, partial=partial, **words)

    def _failure(self) -> tuple[str, str] | None:
        """Return an error type and a sentence, None if it answered."""
        outcome, answer = self.outcome, self.answer
        if outcome.stopped == "flood":
            what = f"printed more than {self.limits.flood_bytes} bytes and was stopped"
            return "crash", f"{self.agent} {what}."
        if answer.failure is not None:
            error_type, message = answer.failure
            what, advice = FAILURES[error_type]
            return error_type, f"{self.agent} {what} ({redacted_start(message, 500)}){advice}."
        if outcome.exit_code and not self._answered():  # Else something else went wrong at its end.
            error_type = self._error_type()
            return error_type, self._with_last_words(ending(outcome.exit_code))
        if not answer.complete:
            begun = answer.first_output_ns is not None
            how = "ended in the middle of its answer" if begun else "ended without an answer"
            return "crash", self._with_last_words(how)
        if not answer.text() and answer.stop_reason in OUTPUT_LIMIT:
            what, advice = FAILURES["output_limit"]
            return "output_limit", f"{self.agent} {what} before it wrote an answer{advice}."
        if not answer.text():
            return "empty", self._with_last_words("ended without an answer")
        return None

    def _answered(self) -> bool:
        """Return True if its output says so, which words without events do not."""
        answer = self.answer
        said_so = self.program.parser is not None and answer.complete and answer.failure is None
        return said_so and answer.text() not in ("", answer.stray)

    def _with_last_words(self, how: str) -> str:
        words = last_words(self._complaint())
        said = f": {words}" if words else " and printed nothing to stderr."
        return f"{self.agent} {how}{said}"

    def _complaint(self) -> str:
        """Return what may say why it failed: stderr, or else the stray lines of its output."""
        return self.outcome.stderr if self.outcome.stderr.strip() else self.answer.stray

    def _lost_session(self, error_type: str) -> bool:
        """Return True if it did nothing, as it could not go on with its session.

        It says so, or it ends without a word, as it may with a session that is damaged. A session
        that has become too long is never shorter again.
        """
        if not self.outcome.exit_code or self.answer.first_output_ns is not None:
            return False
        failure = self.answer.failure
        silent = error_type == "crash" and failure is None
        too_long = error_type == "too_long"
        said = self.outcome.stderr if failure is None else f"{self.outcome.stderr}\n{failure[1]}"
        return silent or too_long or self.program.session_gone in said

    def _error_type(self) -> str:
        """Return the error type that the exit code or the end of its complaint shows.

        The stderr of a command that is not a known agent may be about anything.
        """
        if self.outcome.exit_code in self.program.exit_codes:
            return self.program.exit_codes[self.outcome.exit_code]
        return "crash" if self.program is COMMAND else error_type_of(self._complaint()[-2_000:])
