"""Examples of each command, as its help shows them: a command line, and what it does.

What it does has no quotes and other signs of a shell: zsh gives a pasted comment to the command.
"""

from collections.abc import Mapping

Examples = tuple[tuple[str, str], ...]

FIRST: Examples = (
    ("tracebot demo", "try the bot in a workspace on this machine"),
    ("tracebot run -- pytest -x", "run a command and record it"),
    ("tracebot ls --since 24h", "list the traces of the last 24 hours"),
    ("tracebot show", "show the newest, step by step"),
    ("tracebot stats --by agent", "compare failures, latency and cost of the agents"),
    ("tracebot init", "connect your Slack workspace, step by step"),
    ("tracebot serve", "answer there"),
)
"""The examples of `tracebot --help`."""

EXAMPLES: Mapping[str, Examples] = {
    "ls": (
        ("tracebot ls", "list the newest traces"),
        ("tracebot ls --agent claude --since 24h", "list what claude did in the last 24 hours"),
        ("tracebot ls agent:claude since:24h", "the same: a filter is an option or a word"),
        (
            "tracebot ls --since yesterday",
            "list those of yesterday and today: or write monday, or a date",
        ),
        ("tracebot ls -status:ok 'cost>0.5'", "list what did not go well and cost over $0.50"),
        ("tracebot ls release notes", "list traces that contain both words"),
        ("tracebot ls -n 500 --tsv | cut -f1,3", "list 500 traces for other programs"),
    ),
    "search": (
        ("tracebot search release notes", "list traces that contain both words"),
        (
            "tracebot search deploy user:U0ALICE since:7d",
            "only those of one person, in the last week",
        ),
    ),
    "show": (
        ("tracebot show", "show the newest trace"),
        ("tracebot show 01a20b7c", "show the one whose id begins so: see tracebot ls"),
        ("tracebot show 01a20b7c --json | jq .timeline", "print what its agent did, for programs"),
    ),
    "why": (
        ("tracebot why 01a20b7c", "say why a message was answered or not"),
        (
            "tracebot why https://example.slack.com/archives/C0GENERAL/p1700000000000100",
            "the same by its link",
        ),
    ),
    "thread": (
        ("tracebot thread", "show the latest thread"),
        ("tracebot thread 01a20b7c", "show the one of a trace"),
        ("tracebot thread C0GENERAL 1700000000.000100", "show another one"),
    ),
    "stats": (
        ("tracebot stats", "show the last 7 days in total"),
        ("tracebot stats --by agent", "compare the agents"),
        ("tracebot stats --by day --since 30d", "count each day of a month"),
        ("tracebot stats --by decision", "count why messages were answered or skipped"),
        ("tracebot stats --compare", "compare with the 7 days before"),
    ),
    "cost": (
        ("tracebot cost --since 30d", "show what the models cost in a month"),
        ("tracebot cost --compare", "compare with the 7 days before"),
    ),
    "errors": (
        ("tracebot errors", "list what failed in the last 7 days"),
        ("tracebot errors agent:claude --since 30d", "list what failed of one agent in a month"),
        ("tracebot errors resolve 3f2a1b", "mark one as solved: if it comes back, you are told"),
    ),
    "slow": (("tracebot slow agent:claude since:24h", "list the slowest of an agent in a day"),),
    "logs": (
        ("tracebot logs --level warning", "list warnings and errors of the last day"),
        ("tracebot logs 01a20b7c", "list the lines of one trace"),
    ),
    "metrics": (
        ("tracebot metrics", "list the metrics of the last 7 days"),
        ("tracebot metrics queue.depth --since 24h", "chart one of them"),
    ),
    "ps": (
        ("tracebot ps", "list what is running"),
        ("tracebot ps --follow", "add a line when something begins or ends"),
        ("tracebot ps --processes", "list the processes of the bot: host, version, what each does"),
    ),
    "cancel": (("tracebot cancel 01a20b7c", "stop a running turn: see tracebot ps"),),
    "digest": (
        ("tracebot digest", "summarise the last 24 hours"),
        ("tracebot digest --html digest.html", "write it as a page for a mail or a wiki"),
    ),
    "alerts": (
        ("tracebot alerts", "list the alerts"),
        (
            'tracebot alerts add "error_rate>20%" agent:claude over:1h in:C0GENERAL',
            "tell a channel if a fifth of the questions fails",
        ),
        (
            "tracebot alerts add no_data agent:claude over:6h in:C0GENERAL",
            "tell it if nobody asks claude",
        ),
        ("tracebot alerts snooze a3f2 2h", "silence one for two hours"),
    ),
    "budget": (
        ("tracebot budget", "list budgets and how much of each is spent"),
        ("tracebot budget add 20/day agent:claude", "beyond $20 a day, ask before claude answers"),
        ("tracebot budget add 300/month hard:400", "for all agents: beyond $400 nobody answers"),
        ("tracebot budget add 50/week channel:C0GENERAL", "for a channel: user:ID is for a person"),
        ("tracebot budget raise 3f2a1b 30", "raise one to $30"),
    ),
    "forget": (("tracebot forget --user U0ALICE --yes", "erase the text that somebody wrote"),),
    "health": (
        ("tracebot health", "check the recording and its database"),
        ("tracebot health --json || echo unwell", "the same in a script"),
    ),
    "run": (
        ("tracebot run -- pytest -x", "record how long a command took and how it ended"),
        (
            "tracebot run -- sh -c 'claude -p \"what changed?\" | tee answer.txt'",
            "what it records itself becomes part of its trace",
        ),
    ),
    "collect": (
        ("tracebot collect", "receive OTLP at http://127.0.0.1:4318"),
        ("tracebot collect --port 0 --database test.db", "at a free port, into another file"),
    ),
    "init": (
        ("tracebot init", "ask for everything, step by step"),
        ("tracebot init --agent codex", "the same, but only codex answers"),
        (
            "tracebot init --force </dev/null",
            "ask nothing: SLACK_BOT_TOKEN and SLACK_APP_TOKEN are set",
        ),
        (
            "tracebot init --bot-token-file bot.txt --app-token-file app.txt",
            "read the tokens from files",
        ),
        (
            "pass show slack | tracebot init --bot-token-file - --app-token-file -",
            "read them from stdin, a line for each",
        ),
    ),
    "serve": (
        ("tracebot serve", "answer in Slack: no open port is needed"),
        ("tracebot serve --http", "receive requests of Slack at /slack/events on PORT"),
    ),
    "demo": (
        ("tracebot demo", "play a short conversation"),
        ("tracebot demo --keep --open", "talk to the bot yourself, in a web page"),
        ("tracebot demo --fortnight", "play two weeks of a team in under a minute"),
    ),
    "query": (
        ('tracebot query "what is new in this folder?"', "ask the default agent"),
        ('tracebot query "@claude review it" "@codex review it"', "ask two at once, in one trace"),
        ("git diff | tracebot query -", "read the question from stdin"),
    ),
    "agents": (
        ("tracebot agents", "list the agents of TRACEBOT_AGENTS"),
        ("TRACEBOT_AGENTS=new.toml tracebot agents", "check a file before you use it"),
        (
            "tracebot agents --json | jq '.agents[] | select(.last_error) | .name'",
            "name those with an error",
        ),
    ),
    "rehearse": (
        ("tracebot rehearse --agents new.toml", "compare it with the last 30 days"),
        ("tracebot rehearse --mention-only --since 7d", "list what it would silence"),
    ),
    "import": (("tracebot import crewx crewx.yaml --output agents.toml", "write a new file"),),
    "doctor": (
        ("tracebot doctor", "say what to fix"),
        ("tracebot doctor --json", "the same for programs"),
    ),
    "checkpoint": (
        ("tracebot checkpoint", "move what readers do not need any more"),
        ("tracebot checkpoint --truncate", "and give the space of the log back"),
    ),
    "clean": (
        ("tracebot clean --older-than 90d --dry-run", "say what would be removed"),
        ("tracebot clean --down-to 2GB", "remove the oldest until it is this small"),
    ),
    "backup": (
        ("tracebot backup /backups/tracebot.db", "copy it, while others write"),
        ("tracebot backup /backups/tracebot.db --force", "replace the copy of yesterday"),
    ),
    "restore": (("tracebot restore /backups/tracebot.db", "the old database is kept"),),
    "move": (
        ("tracebot move --to postgresql://tracebot@db.example.com/tracebot", "to a server"),
        ("tracebot move --to /data/tracebot.db", "from a server, or another file, to a file"),
    ),
    "help": (
        ("tracebot help ls", "describe a command"),
        ("tracebot help --man | man -l -", "read everything as a man page"),
    ),
    "completion": (
        ('eval "$(tracebot completion bash)"', "in ~/.bashrc"),
        ('tracebot completion zsh > "${fpath[1]}/_tracebot"', "once"),
        ("tracebot completion fish > ~/.config/fish/completions/tracebot.fish", "once"),
    ),
}
