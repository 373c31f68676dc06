"""Identities: auth.test, users.*, usergroups.*, bots.info, team.info; Socket Mode connections."""

from bot.sandbox.backend.slack import Slack
from bot.sandbox.methods.method import Method
from bot.sandbox.requests.arguments import Arguments
from bot.sandbox.requests.paging import page
from bot.sandbox.state.errors import Refusal
from bot.sandbox.state.values import ENTERPRISE, Json
from bot.sandbox.state.workspace import APP, URL


def api_test(slack: Slack, arguments: Arguments) -> Json:
    error = arguments.text("error")
    if error:
        raise Refusal(error, args=dict(arguments.values))
    return {"args": dict(arguments.values)}


def auth_test(slack: Slack, arguments: Arguments) -> Json:
    bot = slack.workspace.bot
    if slack.workspace.org_wide:
        return {
            "url": URL,
            "team": "tracebot sandbox organisation",
            "team_id": ENTERPRISE,
            "enterprise_id": ENTERPRISE,
            "user": bot.name,
            "user_id": bot.id,
            "bot_id": bot.bot_id,
            "is_enterprise_install": True,
        }
    return {
        "url": URL,
        "team": "tracebot sandbox",
        "user": bot.name,
        "team_id": slack.workspace.team,
        "user_id": bot.id,
        "bot_id": bot.bot_id,
        "is_enterprise_install": False,
    }


def connections_open(slack: Slack, arguments: Arguments) -> Json:
    host = slack.base.removeprefix("http://")
    answer: Json = {"url": f"ws://{host}/link/?ticket={slack.sockets.new_ticket()}&app_id={APP}"}
    if not slack.manifest.socket_mode:
        answer["response_metadata"] = {"messages": ["[WARN] Socket Mode is not turned on."]}
    return answer


def users_info(slack: Slack, arguments: Arguments) -> Json:
    user = slack.workspace.users.get(arguments.need("user"))
    if user is None:
        raise Refusal("user_not_found")
    return {"user": user.as_slack()}


def users_list(slack: Slack, arguments: Arguments) -> Json:
    limit = arguments.number("limit", 200, most=1000)
    users = list(slack.workspace.users.values())
    shown, cursor = page(users, cursor=arguments.text("cursor"), limit=limit)
    members = [user.as_slack() for user in shown]
    return {"members": members, "response_metadata": {"next_cursor": cursor}}


def bots_info(slack: Slack, arguments: Arguments) -> Json:
    wanted = arguments.need("bot")
    for user in slack.workspace.users.values():
        if user.bot_id == wanted:
            return {"bot": user.bot_profile()}
    raise Refusal("bot_not_found")


def team_info(slack: Slack, arguments: Arguments) -> Json:
    domain = URL.removeprefix("https://").removesuffix(".slack.com/")
    return {
        "team": {
            "id": slack.workspace.team,
            "name": "tracebot sandbox",
            "domain": domain,
            "url": URL,
        }
    }


def usergroup_members(slack: Slack, arguments: Arguments) -> Json:
    members = slack.workspace.user_groups.get(arguments.need("usergroup"))
    if members is None:
        raise Refusal("no_such_subteam")
    return {"users": list(members)}


def usergroups_list(slack: Slack, arguments: Arguments) -> Json:
    workspace = slack.workspace
    groups = [
        {
            "id": group,
            "team_id": workspace.team,
            "is_usergroup": True,
            "name": handle,
            "handle": handle,
            "user_count": len(workspace.user_groups[group]),
        }
        for group, handle in workspace.handles.items()
    ]
    return {"usergroups": groups}


METHODS = {
    "api.test": Method(api_test, token="none"),
    "apps.connections.open": Method(connections_open, token="app"),
    "auth.test": Method(auth_test),
    "bots.info": Method(bots_info, scopes=("users:read",)),
    "team.info": Method(team_info, scopes=("team:read",)),
    "usergroups.list": Method(usergroups_list, scopes=("usergroups:read",)),
    "usergroups.users.list": Method(usergroup_members, scopes=("usergroups:read",)),
    "users.info": Method(users_info, scopes=("users:read",)),
    "users.list": Method(users_list, scopes=("users:read",)),
}
