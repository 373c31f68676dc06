"""The actions that an app must answer at once: commands, buttons, shortcuts, modals."""

from functools import partial

from bot.sandbox.backend.callbacks import Response
from bot.sandbox.backend.slack import Slack
from bot.sandbox.delivery.outbox import Undelivered
from bot.sandbox.endpoints.response_urls import ResponseUrls
from bot.sandbox.state.errors import Refusal, SandboxError
from bot.sandbox.state.values import Json, Message
from bot.sandbox.users import payloads
from bot.sandbox.users.people import People, Where, Who, id_of

ANSWER_SECONDS = 10.0


class Interactions:
    """Act as a person and wait for the app's answer."""

    def __init__(self, slack: Slack, people: People, response_urls: ResponseUrls) -> None:
        self._slack = slack
        self._people = people
        self._response_urls = response_urls

    def command(
        self,
        user: Who,
        channel: Where,
        command: str,
        text: str = "",
        *,
        responses: int = 1,
        timeout: float = 5.0,
    ) -> list[Message]:
        """Type a slash command; return what the person is shown for it.

        Waits until there are as many messages as `responses`, at most `timeout` seconds.
        """
        person = self._slack.workspace.user(id_of(user))
        place = self._slack.workspace.member_channel(id_of(channel), person.id)
        if command not in self._slack.manifest.commands:
            raise SandboxError(f"{command} is not a valid command: add it to the manifest.")
        if "commands" not in self._slack.manifest.scopes:
            raise SandboxError("The app lacks the scope `commands`: add it to the manifest.")
        url, response = self._slack.callbacks.new_response(user=person.id, channel=place.id)
        payload = payloads.command(
            person,
            place,
            command,
            text,
            team=self._slack.workspace.team,
            token=self._slack.workspace.verification_token,
            trigger=self._slack.callbacks.new_trigger(person.id),
        )
        payload["response_url"] = url
        try:
            then = partial(self._answered, response)
            self._slack.outbox.ask("slash_commands", payload, then).result(ANSWER_SECONDS)
        except Undelivered as failure:
            self._fail(response, f'{command} failed with the error "{failure.reason}"')
        return self._produced(response, responses, timeout)

    def click(
        self,
        user: Who,
        message: Message,
        action_id: str,
        *,
        value: str | None = None,
        responses: int = 0,
        timeout: float = 5.0,
    ) -> list[Message]:
        """Press a button, or choose the option with this `value` from a menu.

        Returns the app's answers through the response_url, once there are as many as `responses`.
        """
        live = self._people.seen(user, message)
        action = payloads.action(live.blocks, action_id, value)
        url, response = self._response_to(user, live)
        payload = self._payload("block_actions", user) | {
            "container": payloads.container(live),
            "channel": self._place(live),
            "response_url": url,
            "state": {"values": {}},
            "actions": [action | {"action_ts": self._slack.clock.timestamp()}],
        }
        if live.ephemeral_to is None:
            payload["message"] = self._slack.workspace.shown(live, metadata=True)
        self._insist(payload)
        return self._produced(response, responses, timeout)

    def press(
        self, user: Who, action_id: str, *, value: str | None = None, home: bool = False
    ) -> None:
        """Press a button of the open modal, or choose the option with this `value` from a menu.

        If `home` is true, do it on the app's Home tab.
        """
        view = self._slack.views.get(f"{'home' if home else 'modal'}:{id_of(user)}")
        if view is None:
            what = "Home tab" if home else "modal"
            raise SandboxError(f"{id_of(user)} has no {what} open.")
        action = payloads.action(view["blocks"], action_id, value)
        payload = self._payload("block_actions", user) | {
            "container": {"type": "view", "view_id": view["id"]},
            "view": view,
            "actions": [action | {"action_ts": self._slack.clock.timestamp()}],
        }
        self._insist(payload)

    def shortcut(
        self,
        user: Who,
        message: Message,
        callback_id: str,
        *,
        responses: int = 0,
        timeout: float = 5.0,
    ) -> list[Message]:
        """Choose a message shortcut from the menu of a message; see `click` for the rest."""
        if self._slack.manifest.shortcuts.get(callback_id) != "message":
            raise SandboxError(f"The manifest declares no message shortcut {callback_id}.")
        live = self._people.seen(user, message)
        url, response = self._response_to(user, live)
        payload = self._payload("message_action", user) | {
            "action_ts": self._slack.clock.timestamp(),
            "callback_id": callback_id,
            "channel": self._place(live),
            "message_ts": live.ts,
            "message": self._slack.workspace.shown(live, metadata=True),
            "response_url": url,
        }
        self._insist(payload)
        return self._produced(response, responses, timeout)

    def submit(self, user: Who, values: Json) -> Json | None:
        """Submit the open modal and return the app's answer.

        `values` are the inputs: `{block_id: {action_id: {…}}}`.
        """
        place = f"modal:{id_of(user)}"
        view = self._slack.views.get(place)
        if view is None:
            raise SandboxError(f"{id_of(user)} has no modal open.")
        submitted = view | {"state": {"values": values}}
        answer = self._insist(
            self._payload("view_submission", user) | {"view": submitted, "response_urls": []}
        )
        if not answer or answer.get("response_action") != "errors":
            self._close(place, view["id"])
        return answer

    def _close(self, place: str, id: str) -> None:
        """Close a modal, unless the app has opened another one in its place meanwhile."""
        with self._slack.workspace.changing():
            if self._slack.views.get(place, {}).get("id") == id:
                del self._slack.views[place]

    def open_home(self, user: Who, *, tab: str = "home") -> None:
        """Open the app's Home tab, or with `messages` the direct message with it."""
        workspace = self._slack.workspace
        channel = workspace.direct([workspace.bot.id, id_of(user)])
        event: Json = {
            "type": "app_home_opened",
            "user": id_of(user),
            "channel": channel.id,
            "tab": tab,
            "event_ts": self._slack.clock.timestamp(),
        }
        view = self._slack.views.get(f"home:{id_of(user)}")
        self._slack.outbox.tell("app_home_opened", event | ({"view": view} if view else {}))

    def stop_agent(self, user: Who, channel: Where, thread_ts: str) -> None:
        """Press Slack's Stop button under a session that is processing. Its streams end."""
        thread = (id_of(channel), thread_ts)
        session = self._slack.sessions.get(thread)
        if session is None or session.status != "processing":
            raise SandboxError("Slack shows no Stop button: the session is not processing.")
        replies = self._slack.workspace.replies(*thread)
        streaming = [each.ts for each in replies if (each.channel, each.ts) in self._slack.streams]
        for ts in streaming:
            del self._slack.streams[thread[0], ts]
            self._slack.stopped_streams.add((thread[0], ts))
        event = {
            "type": "agent_session_stopped",
            "channel": thread[0],
            "thread_ts": thread_ts,
            "user": id_of(user),
            "streaming_message_ts": streaming,
            "event_ts": self._slack.clock.timestamp(),
        }
        self._slack.outbox.tell("agent_session_stopped", event)

    def _insist(self, payload: Json) -> Json | None:
        if not self._slack.manifest.interactivity:
            raise SandboxError("The manifest does not enable interactivity.")
        try:
            return self._slack.outbox.ask("interactive", payload).result(ANSWER_SECONDS)
        except Undelivered as failure:
            raise SandboxError(f"The app did not answer in time: {failure.reason}.") from failure

    def _answered(self, response: Response, answer: Json | None) -> None:
        """Show the answer in the acknowledgement of a command like any other response."""
        if not answer:
            return
        try:
            with self._slack.workspace.changing():
                self._response_urls.say(response, answer)
        except Refusal as refusal:
            self._fail(response, f'Slack refuses the app\'s answer: "{refusal.error}"')

    def _fail(self, response: Response, text: str) -> None:
        message = Message(
            channel=response.channel,
            ts=self._slack.clock.timestamp(),
            text=text,
            user="USLACKBOT",
            team=self._slack.workspace.team,
            ephemeral_to=response.user,
        )
        self._slack.activity.post(message)
        response.produced.append(message)

    def _produced(self, response: Response, count: int, timeout: float) -> list[Message]:
        workspace = self._slack.workspace
        workspace.wait_until(lambda: len(response.produced) >= count, timeout)
        return workspace.copies(response.produced)

    def _response_to(self, user: Who, message: Message) -> tuple[str, Response]:
        return self._slack.callbacks.new_response(
            user=id_of(user),
            channel=message.channel,
            original=message,
            thread_ts=message.thread_ts,
        )

    def _payload(self, type_: str, user: Who) -> Json:
        person = self._slack.workspace.user(id_of(user))
        trigger = self._slack.callbacks.new_trigger(person.id)
        return payloads.interaction(
            type_,
            person,
            # In a channel of Slack Connect, that of the person.
            team=person.team_id if person.external else self._slack.workspace.team,
            token=self._slack.workspace.verification_token,
            trigger=trigger,
        )

    def _place(self, message: Message) -> Json:
        return payloads.place(self._slack.workspace.channels[message.channel])
