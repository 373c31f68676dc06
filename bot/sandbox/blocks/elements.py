"""The shapes of the elements inside blocks: texts, options, buttons, menus, inputs.

Numbers are Slack's limits (docs.slack.dev/reference/block-kit): the most characters of a string,
the most items of an array. A `Shape` has its required fields first, then its optional ones. A
`dict` is a group of fields that several shapes share. `anything` is what the bot does not send.
"""

from bot.sandbox.blocks.checks import (
    Check,
    Shape,
    anything,
    array,
    choice,
    flag,
    kind,
    number,
    string,
)

ACTION_ID = string(255)


def plain(most: int) -> Check:
    shape = Shape({"text": string(most)}, {"emoji": flag})
    return kind({"plain_text": shape})


def text(most: int) -> Check:
    markup = Shape({"text": string(most)}, {"verbatim": flag})
    simple = Shape({"text": string(most)}, {"emoji": flag})
    return kind({"plain_text": simple, "mrkdwn": markup})


CONFIRM = Shape(
    {"title": plain(100), "text": text(300), "confirm": plain(30), "deny": plain(30)},
    {"style": choice("primary", "danger")},
)

OPTION = Shape(
    {"text": text(75), "value": string(150)},
    {"description": text(75), "url": string(3000)},
)

GROUP = Shape({"label": plain(75), "options": array(OPTION, 100)})

COMMON: dict[str, Check] = {"action_id": ACTION_ID, "confirm": CONFIRM, "focus_on_load": flag}

MENU: dict[str, Check] = {**COMMON, "placeholder": plain(150)}

OPTIONS: dict[str, Check] = {"options": array(OPTION, 100), "option_groups": array(GROUP, 100)}

IMAGE = Shape(
    {"alt_text": string(2000)},
    {"image_url": string(3000), "slack_file": anything},
    either=("image_url", "slack_file"),
)

BUTTON = Shape(
    {"text": plain(75)},
    {
        "action_id": ACTION_ID,
        "confirm": CONFIRM,
        "value": string(2000, least=0),
        "url": string(3000),
        "style": choice("primary", "danger"),
        "accessibility_label": string(75),
    },
)

FEEDBACK_BUTTON = Shape(
    {"text": plain(75), "value": string(2000)}, {"accessibility_label": string(75)}
)

ICON_BUTTON = Shape(
    {"icon": choice("trash"), "text": plain(75)},
    {
        "action_id": ACTION_ID,
        "confirm": CONFIRM,
        "value": string(2000),
        "accessibility_label": string(75),
        "visible_to_user_ids": array(string(255), 10),
    },
)

TEXT_INPUT: dict[str, Check] = {
    **MENU,
    "initial_value": string(3000, least=0),
    "dispatch_action_config": anything,
}

# Valid in actions and as accessories; most of them in inputs, too.
INTERACTIVE: dict[str, Shape] = {
    "button": BUTTON,
    "overflow": Shape({"options": array(OPTION, 5)}, {"action_id": ACTION_ID, "confirm": CONFIRM}),
    "static_select": Shape(
        optional={**MENU, **OPTIONS, "initial_option": OPTION},
        either=("options", "option_groups"),
    ),
    "multi_static_select": Shape(
        optional={
            **MENU,
            **OPTIONS,
            "initial_options": array(OPTION, 100),
            "max_selected_items": number(1),
        },
        either=("options", "option_groups"),
    ),
    "users_select": Shape(optional={**MENU, "initial_user": string(255)}),
    "conversations_select": Shape(
        optional={
            **MENU,
            "initial_conversation": string(255),
            "default_to_current_conversation": flag,
            "response_url_enabled": flag,
            "filter": anything,
        }
    ),
    "channels_select": Shape(
        optional={**MENU, "initial_channel": string(255), "response_url_enabled": flag}
    ),
    "datepicker": Shape(optional={**MENU, "initial_date": string(10)}),
    "timepicker": Shape(optional={**MENU, "initial_time": string(5), "timezone": string(255)}),
    "checkboxes": Shape(
        {"options": array(OPTION, 10)}, {**COMMON, "initial_options": array(OPTION, 10)}
    ),
    "radio_buttons": Shape({"options": array(OPTION, 10)}, {**COMMON, "initial_option": OPTION}),
}

ACCESSORY = {**INTERACTIVE, "image": IMAGE}

INPUTS: dict[str, Shape] = {
    **{name: shape for name, shape in INTERACTIVE.items() if name not in ("button", "overflow")},
    "plain_text_input": Shape(
        optional={
            **TEXT_INPUT,
            "multiline": flag,
            "min_length": number(0, 3000),
            "max_length": number(1, 3000),
        }
    ),
    "number_input": Shape(
        {"is_decimal_allowed": flag},
        {**TEXT_INPUT, "min_value": string(255), "max_value": string(255)},
    ),
}

CONTEXT_ACTIONS: dict[str, Shape] = {
    "feedback_buttons": Shape(
        {"positive_button": FEEDBACK_BUTTON, "negative_button": FEEDBACK_BUTTON},
        {"action_id": ACTION_ID},
    ),
    "icon_button": ICON_BUTTON,
}

CONTEXT: dict[str, Shape] = {
    "image": IMAGE,
    "plain_text": Shape({"text": string(3000)}, {"emoji": flag}),
    "mrkdwn": Shape({"text": string(3000)}, {"verbatim": flag}),
}
