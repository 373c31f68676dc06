"""`tracebot serve` in the scripted workspace: started, killed, started again, and watched."""

import math
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

from bot.sandbox import Sandbox, SandboxError
from tests.support.balancer import Balancer
from tests.support.ports import free_port

TRACEBOT = Path(sys.executable).parent / "tracebot"
PATIENCE_S = 120.0

THREAD_MB = 0.75
"""What a thread takes, mostly for its connection: schema, statements, and a cache that may hold the
whole of a small database. Measured: 71 MB more for 94 threads more."""

AGENTS = """\
default = "alpha"
[agents.alpha]
provider = "command"
command = {alpha}
working_directory = "work"
timeout = 6
[agents.beta]
provider = "command"
command = {beta}
working_directory = "work"
timeout = 6
[agents.gamma]
providers = [
    {{ provider = "command", command = ["false"] }},
    {{ provider = "command", command = {gamma} }},
]
working_directory = "work"
timeout = 6
"""


class BotProcess:
    """The bot, in Socket Mode or (`http`) behind a request URL, its own or that of a balancer.

    Its database is `tracebot.db` in its folder, unless a URL or path of another one is given. Its
    spool of a database on a server is in its folder, too, as if it had a machine of its own.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        folder: Path,
        *,
        http: bool,
        database: str | None = None,
        balancer: Balancer | None = None,
    ) -> None:
        self._sandbox = sandbox
        self._folder = folder
        self._http = http
        self._port = free_port()
        own_url = f"http://127.0.0.1:{self._port}"
        self._health_url = f"{own_url}/health"
        self._request_url = f"{balancer.url if balancer else own_url}/slack/events"
        if balancer:
            balancer.add(self._port)
        self.database = folder / "tracebot.db"
        self._database_url = database or str(self.database)
        self.log = folder / "log"
        self.answers = folder / "work"
        self.answers.mkdir()
        self.killed_at: list[float] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._memory: dict[int, tuple[int, int]] = {}
        """Of each process, in MB: at first and at last, without what its threads take."""
        self._threads: dict[int, int] = {}
        """How many threads each process had at most."""
        self._ready_at = math.inf
        self._write_agents()

    def _write_agents(self) -> None:
        program = str(Path(__file__).parent / "agent.py")
        commands = {
            name: [sys.executable, "-I", "-S", program, name, self._sandbox.bot_token]
            for name in ("alpha", "beta", "gamma")
        }
        (self._folder / "agents.toml").write_text(AGENTS.format(**commands))

    def start(self) -> None:
        """Start it, and wait until it answers."""
        opened = self._sandbox._slack.sockets.opened
        self._ready_at = math.inf
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [TRACEBOT, "serve", *(["--http"] if self._http else [])],
                cwd=self._folder,
                stderr=log,
                env=self._environment(),
            )
        if self._http:
            self._wait_for_http()
        else:
            self._sandbox.wait_for_app(opened=opened + 1, timeout=PATIENCE_S)
        self._ready_at = time.monotonic()

    def _wait_for_http(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            with suppress(SandboxError, OSError):
                urlopen(self._health_url, timeout=3).close()
                return self._sandbox.deliver_to(self._request_url)
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "SLACK_BOT_TOKEN": self._sandbox.bot_token,
            "SLACK_APP_TOKEN": "" if self._http else self._sandbox.app_token,
            "SLACK_SIGNING_SECRET": self._sandbox.signing_secret,
            "SLACK_API_URL": self._sandbox.api_url,
            "PORT": str(self._port),
            "TRACEBOT_DATABASE_URL": self._database_url,
            "XDG_STATE_HOME": str(self._folder / "state"),
            "TRACEBOT_AGENTS": str(self._folder / "agents.toml"),
            "TRACEBOT_CAPTURE": "full",
            "TRACEBOT_ANSWER_EDITS": "true",
        }

    def kill(self) -> None:
        assert self._process is not None
        self.killed_at.append(time.time())
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> int:
        """Stop it as its operator does, and return its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(PATIENCE_S)

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def note_memory(self) -> None:
        """Look at the memory of the process, from the tenth second in which it answers."""
        assert self._process is not None
        if time.monotonic() < self._ready_at + 10:
            return
        pid = self._process.pid
        with suppress(OSError, IndexError):
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            # What a thread took is not given back when it ends, but taken by the next one.
            threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
            self._threads[pid] = max(self._threads.get(pid, 0), threads)
            of_threads = self._threads[pid] * THREAD_MB
            size = round(pages * os.sysconf("SC_PAGE_SIZE") / 1_000_000 - of_threads)
            first, _ = self._memory.get(pid, (size, size))
            self._memory[pid] = (first, size)

    @property
    def memory_growth_mb(self) -> int:
        return max((last - first for first, last in self._memory.values()), default=0)
