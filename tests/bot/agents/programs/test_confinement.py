"""An agent that tries to reach what it must not, asked by a real `tracebot query`."""

import errno
import json
import os
import pwd
import socket
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bot.agents.config.isolation import isolation_gaps
from bot.agents.config.roster import RosterError, load_roster
from bot.agents.errors import AgentError
from bot.agents.programs.process import landlock, seccomp
from bot.agents.programs.process.bot_files import BotFiles
from bot.agents.programs.process.confinement import Confinement, landlock_version
from bot.agents.programs.process.installation import installed_files
from bot.agents.programs.process.paths import inside, real
from bot.agents.programs.provider import CommandProvider
from bot.agents.types import Mode, Request
from storage.recovery.backup import backup
from storage.recovery.opening import open_database
from tests.support.confined import as_root, python

TRACEBOT = Path(sys.executable).parent / "tracebot"
SECRET = "planted-for-the-spy"

pytestmark = pytest.mark.skipif(landlock_version() == 0, reason="this kernel has no Landlock")

SPY = """
import ctypes, json, os, pathlib, resource, shutil, signal, socket, sys, tempfile
attempts, reaper = json.loads(sys.argv[1]), os.getppid()
stat = lambda pid: pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
bot, libc = int(stat(reaper)[1]), ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "call")
found = {}
for name, code in attempts.items():
    try:
        found[name] = str(eval(code))
    except Exception as error:
        found[name] = type(error).__name__
print(json.dumps(found))
"""

FORBIDDEN: Mapping[str, str] = {
    "read the database": "open('{bot}/tracebot.db', 'rb').read(4)",
    "read the write-ahead log": "open('{bot}/tracebot.db-wal', 'rb').read(4)",
    "read a backup": "open('{bot}/backup.db').read()",
    "read the spool": "open('{bot}/tracebot.db.spool/kept').read()",
    "read another turn's file": "open('{bot}/files/T1/F1.txt').read()",
    "read .env": "open('{bot}/.env').read()",
    "read the agents file": "open('{bot}/agents.toml').read()",
    "read the database through a link": "open('link', 'rb').read(4)",
    "list the bot's folder": "os.listdir('{bot}')",
    "list the spool": "os.listdir('{bot}/tracebot.db.spool')",
    "write the database": "open('{bot}/tracebot.db', 'r+b').write(b'x')",
    "truncate the database": "os.truncate('{bot}/tracebot.db', 0)",
    "remove the database": "os.unlink('{bot}/tracebot.db')",
    "move the database": "os.rename('{bot}/tracebot.db', 'mine.db')",
    "replace the database": "os.rename('own.txt', '{bot}/tracebot.db')",
    "link the database": "os.link('{bot}/tracebot.db', 'mine.db')",
    "close the database to the bot": "os.chmod('{bot}/tracebot.db', 0)",
    "open the database to everybody": "os.chmod('link', 0o666)",
    "give the database away": "os.chown('{bot}/tracebot.db', 12345, -1)",
    "open the bot's folder": "os.chmod('{bot}', 0o777)",
    "change a mode below a descriptor": (
        "os.chmod('tracebot.db', 0, dir_fd=os.open('{bot}', os.O_PATH))"
    ),
    "change a mode through another process": "os.chmod(f'/proc/{{bot}}/cwd', 0o777)",
    "make its own file set-user-id": "os.chmod('own.txt', 0o4755)",
    "make its own file set-group-id": "os.fchmod(os.open('own.txt', os.O_RDWR), 0o2755)",
    "add an attribute to its own file": "os.setxattr('own.txt', 'user.x', b'x')",
    "submit work past seccomp": "call(425, 1, ctypes.create_string_buffer(120))",
    "connect to an abstract socket": "socket.socket(socket.AF_UNIX).connect('\\0planted')",
    "add an attribute": "os.setxattr('{bot}/tracebot.db', 'user.x', b'x')",
    "make a file beside the database": "open('{bot}/new', 'w')",
    "make a folder beside the database": "os.mkdir('{bot}/folder')",
    "read the bot's environment": "open(f'/proc/{{bot}}/environ').read()",
    "read the bot's memory": "open(f'/proc/{{bot}}/mem', 'rb')",
    "read the bot's address space": "open(f'/proc/{{bot}}/maps').read()",
    "look at the bot's descriptors": "os.readlink(f'/proc/{{bot}}/fd/0')",
    "go through the bot's working directory": "os.listdir(f'/proc/{{bot}}/cwd')",
    "go through the bot's root": "open(f'/proc/{{bot}}/root/etc/passwd').read()",
    "trace the bot": "call(101, 16, bot, 0, 0)",
    "signal the bot": "os.kill(bot, 0)",
    "stop the reaper": "os.kill(reaper, signal.SIGSTOP)",
    "kill the reaper": "os.kill(reaper, signal.SIGKILL)",
    "signal the bot by descriptor": "signal.pidfd_send_signal(os.pidfd_open(bot), 0)",
    "limit the bot's processor time": "resource.prlimit(bot, resource.RLIMIT_CPU, (1, 1))",
    "connect to a service of this machine": "socket.socket(socket.AF_UNIX).connect('{socket}')",
    "send to a service of this machine": "socket.socketpair(1, socket.SOCK_DGRAM)",
    "read another home": "os.listdir('{home}')",
    "write to the system": "open('/usr/local/tracebot-was-here', 'w')",
    "list the machine's temporary files": "os.listdir('/tmp')",
}
ALLOWED: Mapping[str, str] = {
    "read its working directory": "open('own.txt').read()",
    "write its working directory": "open('made.txt', 'w').write('x')",
    "list its working directory": "len(os.listdir('.')) > 0",
    "make a folder": "os.makedirs('a/b/c')",
    "move a file to another folder": "shutil.move('moved.txt', 'a/b/moved.txt')",
    "make a file executable": "os.chmod('own.txt', 0o755) or oct(os.stat('own.txt').st_mode)",
    "change a mode by descriptor": "os.fchmod(os.open('own.txt', os.O_RDWR), 0o700)",
    "let a folder pass its group on": "os.mkdir('shared') or os.chmod('shared', 0o2775)",
    "change the mode of memory and of a pipe": (
        "[os.fchmod(file, 0o600) for file in (os.memfd_create('x'), *os.pipe())]"
    ),
    "change the owner by descriptor": "os.fchown(os.open('own.txt', os.O_RDONLY), -1, -1)",
    "change the mode of a file that has no name left": (
        "[os.fchmod(file.fileno(), 0o600) for file in [tempfile.TemporaryFile()]]"
    ),
    "change a mode below its own descriptor": (
        "os.chmod('own.txt', 0o644, dir_fd=os.open('.', os.O_RDONLY))"
    ),
    "change the mode of a temporary file": "os.chmod(tempfile.mkstemp()[1], 0o600)",
    "keep the owner": "os.chown('own.txt', os.getuid(), -1)",
    "keep the owner of a link": "os.lchown('link', -1, -1)",
    "run a program": "os.system('ls / > /dev/null')",
    "use temporary files": "tempfile.TemporaryFile().write(b'x')",
    "read a path that the agents file names": "open('{extra}/note.txt').read()",
    "make a pair of connected sockets": "socket.socketpair()",
    "open a socket of the network": "socket.socket()",
    "signal itself": "os.kill(os.getpid(), 0)",
    "know that it gains no privileges": (
        "pathlib.Path('/proc/self/status').read_text().index('NoNewPrivs:\\t1')"
    ),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The outcome of each attempt: an exception's name, or what the spy got."""
    root = tmp_path_factory.mktemp("confined")
    bot, work, extra, home = (root / name for name in ("bot", "work", "extra", "home"))
    for folder in (bot, work, extra, home, bot / "tracebot.db.spool", bot / "files" / "T1"):
        folder.mkdir(parents=True)
    database = open_database(bot / "tracebot.db")
    (bot / "tracebot.db-wal").touch()
    for name in ("backup.db", "tracebot.db.spool/kept", "files/T1/F1.txt"):
        (bot / name).write_text(SECRET)
    (bot / ".env").write_text(f"SLACK_SIGNING_SECRET={SECRET}\n")
    (work / "link").symlink_to(bot / "tracebot.db")
    for path in (work / "own.txt", work / "moved.txt", extra / "note.txt"):
        path.write_text("own")
    service = socket.socket(socket.AF_UNIX)
    service.bind(str(root / "socket"))
    service.listen()
    places = {"bot": bot, "extra": extra, "home": home, "socket": root / "socket"}
    # A name in braces that is left is the spy's own variable.
    attempts = {
        name: code.replace("{{bot}}", "{{{{bot}}}}")
        .format(**places)
        .replace("{{", "{")
        .replace("}}", "}")
        for name, code in {**FORBIDDEN, **ALLOWED}.items()
    }
    command = [sys.executable, "-S", "-c", SPY, json.dumps(attempts)]
    (bot / "agents.toml").write_text(
        f"[agents.spy]\ncommand = {json.dumps(command)}\n"
        f"working_directory = {json.dumps(str(work))}\nread = [{json.dumps(str(extra))}]\n"
    )
    answer = json.loads(query(bot, "--json").stdout)["answers"][0]
    database.close()
    service.close()
    assert answer["text"] is not None, answer
    yield json.loads(answer["text"])


def query(bot: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    environment = {
        **os.environ,
        "TRACEBOT_AGENTS": str(bot / "agents.toml"),
        "TRACEBOT_DATABASE_URL": str(bot / "tracebot.db"),
    }
    return subprocess.run(
        [TRACEBOT, "query", "what can you reach?", *options],
        cwd=bot,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("attempt", FORBIDDEN)
def test_an_agent_cannot(attempt: str, outcomes: Mapping[str, str]) -> None:
    signals = "signal" in attempt or "reaper" in attempt
    if signals and landlock_version() < landlock.SIGNALS_ABI:
        pytest.skip("this kernel does not keep signals inside")
    assert outcomes[attempt] in ("PermissionError", "OSError")


OVERLAY = """
import ctypes, json, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    found = libc.syscall(number, *arguments)
    return found if found >= 0 else -ctypes.get_errno()
unshare = {{"x86_64": 272}}.get(os.uname().machine, 97)
call(unshare, 0x10020000)  # A user namespace, in which it may mount, and one of mounts.
made = call(430, b"overlay", 0)
folders = ("lowerdir", "."), ("upperdir", {bot!r} + "/files"), ("workdir", {bot!r} + "/backups")
for name, path in folders:
    call(431, made, 1, name.encode(), path.encode(), 0)
call(431, made, 0, b"userxattr", None, 0)
call(431, made, 6, None, None, 0)
print(json.dumps([made, call(428, -100, {bot!r}.encode(), 1)]))
"""


@pytest.mark.skipif(seccomp.machine() is None, reason="no filters for this architecture")
def test_an_agent_makes_no_folder_elsewhere_by_mounting(tmp_path: Path) -> None:
    bot, work = tmp_path / "bot", tmp_path / "work"
    for folder in (work, bot / "files", bot / "backups"):
        folder.mkdir(parents=True)
    provider = CommandProvider(
        agent="a",
        command=(sys.executable, "-S", "-c", OVERLAY.format(bot=str(bot))),
        working_directory=work,
    )
    refused = json.loads(provider.answer(Request(prompt="x")).text)
    assert list((bot / "backups").iterdir()) == [], (
        "the kernel makes a folder `work` for an overlay"
    )
    assert refused == [-errno.EPERM, -errno.EPERM]


@pytest.mark.parametrize("attempt", ALLOWED)
def test_an_agent_can(attempt: str, outcomes: Mapping[str, str]) -> None:
    assert not outcomes[attempt].endswith("Error"), outcomes[attempt]


def test_an_agent_inherits_no_descriptors(tmp_path: Path) -> None:
    with (tmp_path / "open").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        agent = python("import os; print(sorted(map(int, os.listdir('/proc/self/fd')))[:3])")
        seen = agent.answer(Request(prompt="x")).text
        many = python("import os; print(len(os.listdir('/proc/self/fd')))")
        # The three streams, and the one that lists the folder.
        assert (seen, many.answer(Request(prompt="x")).text) == ("[0, 1, 2]", "4")


def test_temporary_files_are_gone_after_the_turn() -> None:
    code = (
        "import os, tempfile; folder = tempfile.mkdtemp(); print(folder)\n"
        "os.mkdir(folder + '/deep'); open(folder + '/deep/file', 'w'); os.chmod(folder, 0)"
    )
    folder = Path(python(code).answer(Request(prompt="x")).text)
    assert folder.parent.name.startswith("tracebot-")
    assert not folder.parent.exists()


def test_the_files_of_a_message_are_opened_and_their_neighbours_are_not(tmp_path: Path) -> None:
    (tmp_path / "ours.txt").write_text("ours")
    (tmp_path / "theirs.txt").write_text("theirs")
    code = f"""
print(open({str(tmp_path / "ours.txt")!r}).read())
try:
    print(open({str(tmp_path / "theirs.txt")!r}).read())
except PermissionError:
    print("closed")
"""
    request = Request(prompt="x", files=(tmp_path / "ours.txt",))
    assert python(code).answer(request).text == "ours\nclosed"


@pytest.mark.parametrize("place", ["", "working_directory = 'work'\n"])
def test_only_in_execute_mode_a_known_program_can_write_its_working_directory(
    tmp_path: Path, place: str
) -> None:
    (tmp_path / "work").mkdir()
    program = tmp_path / "bin" / "codex"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho made > made.txt && echo done || echo closed\n")
    program.chmod(0o755)
    agents = tmp_path / "agents.toml"
    agents.write_text(
        f"[agents.a]\nprovider = 'codex'\nmode = 'execute'\ncommand = ['{program}']\n{place}"
    )
    files = BotFiles(database=tmp_path / "tracebot.db")
    (provider,) = load_roster(agents, files=files).agents["a"].providers
    assert provider.answer(Request(prompt="x", mode="query")).text == "closed"
    assert provider.answer(Request(prompt="x", mode="execute")).text == "done"


def test_only_in_execute_mode_opencode_can_write_its_instructions_and_always_its_sessions(
    tmp_path: Path,
) -> None:
    program = tmp_path / "bin" / "opencode"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\nexec 2>/dev/null\nfor folder in .config .local/share .local/state .cache; do\n"
        'echo x > "$HOME/$folder/opencode/AGENTS.md" && echo $folder; done; true\n'
    )
    program.chmod(0o755)
    agents = tmp_path / "agents.toml"
    agents.write_text(
        f"[agents.a]\nprovider = 'opencode'\nmode = 'execute'\ncommand = ['{program}']\n"
        f"environment = {{ HOME = '{tmp_path}/home' }}\n"
    )
    (tmp_path / "home").mkdir()
    files = BotFiles(database=tmp_path / "tracebot.db")
    (provider,) = load_roster(agents, files=files).agents["a"].providers
    kept = [".local/share", ".local/state", ".cache"]
    assert provider.answer(Request(prompt="x", mode="query")).text.split() == kept
    written = provider.answer(Request(prompt="x", mode="execute")).text.split()
    assert written == [".config", *kept]


def test_opencode_can_write_its_sessions_if_its_settings_are_in_the_same_folder(
    tmp_path: Path,
) -> None:
    program = tmp_path / "bin" / "opencode"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho kept > "$XDG_DATA_HOME/opencode/session" && echo kept\n')
    program.chmod(0o755)
    (tmp_path / "own" / "opencode").mkdir(parents=True)
    agents = tmp_path / "agents.toml"
    agents.write_text(
        f"[agents.a]\nprovider = 'opencode'\ncommand = ['{program}']\nenvironment = "
        f"{{ XDG_CONFIG_HOME = '{tmp_path}/own', XDG_DATA_HOME = '{tmp_path}/own' }}\n"
    )
    (provider,) = load_roster(agents).agents["a"].providers
    assert provider.answer(Request(prompt="x", mode="query")).text == "kept"


@pytest.mark.skipif(seccomp.machine() is None, reason="no filters for this architecture")
@pytest.mark.parametrize("network", [True, False])
def test_nothing_leaves_an_agent_without_network(network: bool) -> None:
    tcp, udp = socket.create_server(("127.0.0.1", 0)), socket.socket(type=socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    for listening in (tcp, udp):
        listening.settimeout(0.2)
    code = f"""
import socket, ctypes
def connect(): socket.create_connection({tcp.getsockname()!r})
def send(): socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", {udp.getsockname()!r})
def ring():
    if ctypes.CDLL(None).syscall(425, 1, ctypes.create_string_buffer(120)) < 0: raise OSError
for attempt in (connect, send, ring, *(
    lambda family=family, kind=kind: socket.socket(family, kind)
    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK, 40)
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW)
)):
    try:
        attempt()
        print("open")
    except OSError:
        print("closed")
"""
    agent = python(code, confinement=Confinement(network=network))
    told = agent.answer(Request(prompt="x")).text.split()
    arrived = []
    for receive in (lambda: tcp.accept()[0].close(), lambda: udp.recv(1)):
        try:
            receive()
            arrived.append(True)
        except TimeoutError:
            arrived.append(False)
    tcp.close()
    udp.close()
    assert arrived == [network, network]
    assert told[:2] == (["open", "open"] if network else ["closed", "closed"])
    assert network or set(told) == {"closed"}


def test_unix_sockets_can_be_opened() -> None:
    code = "import socket; socket.socket(socket.AF_UNIX); print('open')"
    free = Confinement(unix_sockets=True)
    assert python(code, confinement=free).answer(Request(prompt="x")).text == "open"


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5, 6])
def test_older_kernels_confine_files_too(
    version: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text(SECRET)
    monkeypatch.setattr(landlock, "abi", lambda: min(version, ABI))
    code = f"""
import os
open("own", "w").write("x"); os.rename("own", "moved"); os.mkdir("folder")
for attempt in (
    lambda: open({str(tmp_path / "secret")!r}).read(),
    lambda: os.truncate({str(tmp_path / "secret")!r}, 0),
    lambda: os.unlink({str(tmp_path / "secret")!r}),
):
    try:
        print(attempt())
    except PermissionError:
        print("closed")
"""
    assert python(code).answer(Request(prompt="x")).text.split() == ["closed"] * 3
    assert (tmp_path / "secret").read_text() == SECRET


ABI = landlock_version()


@pytest.mark.parametrize("version", [1, 2, 3, 6])
def test_older_kernels_let_no_agent_empty_what_it_may_not_write(
    version: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_to_it, secret = tmp_path / "read" / "notes", tmp_path / "secret"
    open_to_it.parent.mkdir()
    for path in (open_to_it, secret):
        path.write_text(SECRET)
    monkeypatch.setattr(landlock, "abi", lambda: min(version, ABI))
    code = f"""
import ctypes, os, struct
libc = ctypes.CDLL(None, use_errno=True)
def openat2(path, flags):
    how = struct.pack("=QQQ", flags, 0, 0)
    if libc.syscall(437, -100, path.encode(), how, len(how)) < 0:
        raise OSError(ctypes.get_errno(), "call")
    return "opened"
for path in ({str(open_to_it)!r}, {str(secret)!r}):
    for mode in (os.O_RDONLY, os.O_RDWR, 3):  # 3 asks for no right but those for ioctl.
        for call in (os.open, openat2):
            try:
                print(call(path, mode | os.O_TRUNC))
            except OSError:
                print("refused")
for mode in ("w", "a", "w+"):
    open("own", mode).write("x")
"""
    agent = python(code, confinement=Confinement(read=(open_to_it.parent,)))
    assert agent.answer(Request(prompt="x")).text.split() == ["refused"] * 12
    assert (open_to_it.read_text(), secret.read_text()) == (SECRET, SECRET)


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5, 6])
def test_older_kernels_let_no_agent_change_a_terminal(
    version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller, terminal = os.openpty()
    monkeypatch.setattr(landlock, "abi", lambda: min(version, ABI))
    code = f"""
import os, termios
for mode in (os.O_RDONLY, os.O_RDWR, 3):
    try:
        opened = os.open({os.ttyname(terminal)!r}, mode | os.O_NOCTTY)
        settings = termios.tcgetattr(opened)
        settings[3] &= ~termios.ECHO
        termios.tcsetattr(opened, termios.TCSANOW, settings)
        print("changed")
    except (OSError, termios.error):
        print("refused")
"""
    assert python(code).answer(Request(prompt="x")).text.split() == ["refused"] * 3
    assert termios.tcgetattr(terminal)[3] & termios.ECHO
    os.close(controller)
    os.close(terminal)


def test_a_backup_is_as_private_as_the_database(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "show"
    program.parent.mkdir()
    copy = tmp_path / "bin" / "monday.db"
    program.write_text(f"#!/bin/sh\ncat {copy} 2>&1\n")
    program.chmod(0o755)
    database = open_database(tmp_path / "data" / "tracebot.db")
    backup(database, copy)
    database.close()
    path = tmp_path / "agents.toml"
    path.write_text(f"[agents.a]\ncommand = [{str(program)!r}]\n")
    roster = load_roster(path, files=BotFiles(database=database.path))
    with pytest.raises(AgentError) as caught:
        roster.agents["a"].providers[0].answer(Request(prompt="x"))
    assert caught.value.partial is not None
    assert "Permission denied" in caught.value.partial.text
    path.write_text("[agents.a]\ncommand = ['cat']\nworking_directory = 'bin'\n")
    with pytest.raises(RosterError, match="monday.db, which belongs to the bot"):
        load_roster(path, files=BotFiles(database=database.path))


def test_an_agent_without_a_working_directory_works_in_its_own_folder(tmp_path: Path) -> None:
    path = tmp_path / "agents.toml"
    path.write_text("[agents.a]\ncommand = ['pwd']\n")
    roster = load_roster(path, files=BotFiles(database=tmp_path / "tracebot.db"))
    told = roster.agents["a"].providers[0].answer(Request(prompt="x")).text
    assert told == str(tmp_path / "workspaces" / "a")


@pytest.mark.parametrize("mode", ["query", "execute"])
def test_a_command_without_a_working_directory_can_write_in_its_own_folder(
    tmp_path: Path, mode: Mode
) -> None:
    path = tmp_path / "agents.toml"
    path.write_text("[agents.a]\ncommand = ['sh', '-c', 'echo made > made.txt && echo done']\n")
    roster = load_roster(path, files=BotFiles(database=tmp_path / "tracebot.db"))
    assert roster.agents["a"].providers[0].answer(Request(prompt="x", mode=mode)).text == "done"


@as_root
@pytest.mark.parametrize("isolation", ["landlock", "off"])
def test_an_agent_can_run_as_a_user_of_its_own(tmp_path: Path, isolation: str) -> None:
    (tmp_path / "F1.txt").write_text("4711")
    (tmp_path / "F1.txt").chmod(0o600)
    code = """
import os, sys
print(os.getuid(), os.geteuid(), os.getgid(), os.getgroups(), os.environ["HOME"])
prompt = sys.stdin.read().split()
print(open([word for word in prompt if word.endswith("F1.txt")][0]).read())
try:
    print(os.kill(os.getppid(), 0))
except PermissionError:
    print("closed")
"""
    nobody = pwd.getpwnam("nobody")
    agent = CommandProvider(
        agent="a",
        command=("/usr/bin/python3", "-c", code),
        confinement=Confinement(user="nobody", isolation=isolation),  # type: ignore[arg-type]
        working_directory=Path("/usr/share"),
    )
    request = Request(prompt="x", files=(tmp_path / "F1.txt",))
    groups = os.getgrouplist("nobody", nobody.pw_gid)
    ids = f"{nobody.pw_uid} {nobody.pw_uid} {nobody.pw_gid} {groups} {nobody.pw_dir}"
    assert agent.answer(request).text == f"{ids}\n4711\nclosed"


@as_root
def test_an_agent_with_a_user_of_its_own_makes_no_file_set_user_id() -> None:
    code = """
import os
os.chdir(os.environ["TMPDIR"])
open("made", "w").close()
def at(): os.chmod("made", 0o4755, dir_fd=os.open(".", os.O_RDONLY))
for attempt in (
    lambda: os.chmod("made", 0o4755), lambda: os.fchmod(os.open("made", os.O_RDWR), 0o4755), at
):
    try:
        attempt()
    except PermissionError:
        print("refused")
os.chmod("made", 0o750, dir_fd=os.open(".", os.O_RDONLY))
os.mkdir("shared")
os.chmod("shared", 0o2770)
print(oct(os.stat("made").st_mode), oct(os.stat("shared").st_mode))
"""
    agent = CommandProvider(
        agent="a",
        command=("/usr/bin/python3", "-c", code),
        confinement=Confinement(user="nobody"),
        working_directory=Path("/usr/share"),
    )
    told = agent.answer(Request(prompt="x")).text.split()
    assert told == [*["refused"] * 3, "0o100750", "0o42770"]


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("user = 'no-such-user'", "this machine has no user no-such-user: create it"),
        ("isolation = 'docker'", 'isolation must be "landlock" or "off", not "docker"'),
        ("network = 'no'", "network must be true or false"),
        ("isolation = 'off'\nnetwork = false", 'network = false needs isolation = "landlock"'),
        ("read = '/srv'", "read must be a list of texts"),
    ],
)
def test_a_mistake_in_the_confinement_is_named(tmp_path: Path, setting: str, sentence: str) -> None:
    path = tmp_path / "agents.toml"
    path.write_text(f"[agents.a]\ncommand = ['cat']\n{setting}\n")
    with pytest.raises(RosterError, match=sentence):
        load_roster(path)


def test_git_works_with_settings_in_the_home(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".gitconfig").write_text("[user]\nname = Ann\nemail = ann@example.org\n")
    code = "git init -q . && git commit -q --allow-empty -m first && git log --format=%an"
    agent = CommandProvider(
        agent="a", command=("sh", "-c", code), environment={"HOME": str(tmp_path / "home")}
    )
    assert agent.answer(Request(prompt="x")).text == "Ann"


@pytest.mark.parametrize(
    ("setting", "version", "found"),
    [
        ("isolation = 'off'", 6, "are not confined (isolation"),
        ("", 0, "are not confined, because this system has no Landlock"),
        ("", 5, "can end the bot's processes"),
        ("", 6, None),
    ],
)
def test_the_operator_is_told_what_is_not_closed(
    setting: str, version: int, found: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landlock, "abi", lambda: version)
    path = tmp_path / "agents.toml"
    path.write_text(f"[agents.a]\ncommand = ['cat']\n{setting}\n")
    gaps = [gap.found for gap in isolation_gaps(load_roster(path)) if "root" not in gap.found]
    assert [gap for gap in gaps if found is None or found not in gap] == []
    assert bool(gaps) is (found is not None)


@as_root
@pytest.mark.parametrize(
    "attempt",
    [
        "os.fchmod(file, 0o4755)",
        "os.fchown(file, 12345, -1)",
        "os.setxattr(file, 'user.x', b'x')",
        "os.removexattr(file, 'user.before')",
        "fcntl.ioctl(file, 0x40086602, (0xC0).to_bytes(8, 'little'))",  # chattr +Ad
        "fcntl.ioctl(file, 0x401C5820, b'\\xc0' + bytes(27))",  # The same in another way.
        "fcntl.ioctl(file, 0x40087602, bytes(4))",  # chattr -v 0
    ],
)
def test_a_descriptor_of_a_file_that_can_only_be_read_changes_nothing_of_it(attempt: str) -> None:
    with tempfile.NamedTemporaryFile(dir="/opt", prefix="tracebot-test-") as file:
        os.fchmod(file.fileno(), 0o755)
        os.setxattr(file.fileno(), "user.before", b"x")
        before = os.stat(file.name)
        code = f"""
import fcntl, os
file = os.open({file.name!r}, os.O_RDONLY)
try:
    {attempt}
except OSError:
    print("refused")
"""
        assert python(code).answer(Request(prompt="x")).text == "refused"
        after = os.stat(file.name)
        assert (before.st_mode, before.st_uid) == (after.st_mode, after.st_uid)
        assert os.listxattr(file.name) == ["user.before"]


@as_root
def test_a_bot_that_is_root_passes_no_privileges_on() -> None:
    code = """
import os
print([line.split()[1] for line in open("/proc/self/status") if line.startswith("CapEff")])
for path in ("/etc/shadow", "/dev/mem", "/dev/sda", "/root"):
    try:
        open(path).read(1)
        print("open")
    except OSError as error:
        print("closed")
"""
    told = python(code).answer(Request(prompt="x")).text.splitlines()
    assert int(told[0][2:-2], 16) & ~0b01011 == 0
    assert told[1:] == ["closed"] * 4


@as_root
def test_a_program_that_root_writes_is_not_set_user_id(tmp_path: Path) -> None:
    code = """
import os
file = os.open("made", os.O_CREAT | os.O_RDWR, 0o4755)
os.write(file, b"a program")
print(oct(os.fstat(file).st_mode))
"""
    agent = python(code, working_directory=tmp_path)
    assert agent.answer(Request(prompt="x")).text == "0o100755"


SEARCH = """#!/bin/sh
cat {secret} 2>&1
[ -L {work}/lib ] || ln -s {folder} {work}/lib
"""
"""Makes what would be a folder of its own program, if it was installed."""


def test_a_link_that_an_agent_made_opens_nothing_in_later_turns(tmp_path: Path) -> None:
    secret, work = tmp_path / "private" / "key", tmp_path / "work"
    program = work / "bin" / "agent"
    for file in (secret, program):
        file.parent.mkdir(parents=True)
    secret.write_text(SECRET)
    program.write_text(SEARCH.format(secret=secret, folder=secret.parent, work=work))
    program.chmod(0o755)
    agent = CommandProvider(agent="a", command=("bin/agent",), working_directory=work)
    for _ in range(2):
        assert SECRET not in agent.answer(Request(prompt="x")).text
    assert (work / "lib" / "key").read_text() == SECRET


def test_the_first_line_of_a_script_opens_only_an_interpreter(tmp_path: Path) -> None:
    secret, work = tmp_path / "private" / "key", tmp_path / "work"
    for folder in (secret.parent, work):
        folder.mkdir()
    secret.write_text(SECRET)
    # The kernel runs `-S` in the working directory, with the folder as its argument.
    (work / "agent").write_text(f"#!-S {secret.parent}\n")
    (work / "-S").symlink_to("/bin/cat")
    for name, content in (("other", f"#!{secret}\n"), ("third", "#!\v/private\n")):
        (work / name).write_text(content)
    for program in work.iterdir():
        if not program.is_symlink():
            program.chmod(0o755)
        opened = {real(path) for path in installed_files((f"./{program.name}",), "/bin", work)}
        assert not [path for path in opened if inside(path, secret.parent)]


def test_a_place_that_an_agent_can_exchange_for_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "private").mkdir()
    (tmp_path / "work" / "out").symlink_to(tmp_path / "private")
    agents = tmp_path / "agents.toml"
    agents.write_text(
        "[agents.a]\ncommand = ['cat']\nworking_directory = 'work'\n"
        f"write = ['{tmp_path}/work/out']\n"
    )
    with pytest.raises(RosterError, match="the agent may change the link .*/work/out"):
        load_roster(agents)


def test_a_link_of_the_operator_is_followed(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "note").write_text("noted")
    (tmp_path / "current").symlink_to("./first/../first")
    agent = CommandProvider(
        agent="a", command=("cat", "note"), working_directory=tmp_path / "current"
    )
    assert agent.answer(Request(prompt="x")).text == "noted"
