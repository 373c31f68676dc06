"""The program that answers in the scripted workspace: `agent.py NAME SECRET`.

The question says how to answer: `[q12 stream]`. Each line of an answer has a mark that occurs
nowhere else, `q12-alpha-0003`. A file in the working directory says which marks an answer has, and
that all of it was given. Run with `-I -S`: it needs nothing but Python.
"""

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator

ASKED = re.compile(r"\[q(\d+) (\w+)\]")

Lines = Iterator[str]
Mark = Callable[[], str]


def short(mark: Mark) -> Lines:
    yield f"{mark()} In short: yes."


def stream(mark: Mark) -> Lines:
    for _ in range(8):
        yield f"{mark()} one more thing"
        time.sleep(0.4)


def code(mark: Mark) -> Lines:
    yield f"{mark()} Like this:\n\n```python"
    for number in range(300):
        yield f"    if row[{number}] < limit && a > b:  # {mark()} keeps its indentation"
    yield f"```\n\n{mark()} <!DOCTYPE html> <!channel> <@U0NOBODY> & so on"


def long(mark: Mark) -> Lines:
    for number in range(400):
        yield f"{mark()} " + "words and more words " * 4
        if number % 7 == 0:
            yield ""


def korean(mark: Mark) -> Lines:
    for _ in range(40):
        yield (f"{mark()} **굵게**입니다. 로그를 확인했습니다. **太字**です。設定を見てください。")
        yield ""


def control(mark: Mark) -> Lines:
    yield f"{mark()} \x1b[31mred\x1b[0m \x00 \x07 \x9b1m \u202e backwards"


def leak(mark: Mark) -> Lines:
    half = len(sys.argv[2]) // 2
    yield f"{mark()} found in a file:"
    sys.stdout.write(sys.argv[2][:half])
    sys.stdout.flush()
    time.sleep(2.5)
    yield sys.argv[2][half:]


def fail(mark: Mark) -> Lines:
    yield f"{mark()} so far"
    sys.stderr.write("boom: the model is gone\n")
    raise SystemExit(3)


def hang(mark: Mark) -> Lines:
    yield f"{mark()} let me think"
    time.sleep(60)


def empty(mark: Mark) -> Lines:
    yield from ()


KINDS: dict[str, Callable[[Mark], Lines]] = {
    each.__name__: each
    for each in (short, stream, code, long, korean, control, leak, fail, hang, empty)
}


def main() -> None:
    name = sys.argv[1]
    # The newest one: those before it, and one in a forwarded message, are in the prompt, too.
    number, kind = max(ASKED.findall(sys.stdin.read()), key=lambda found: int(found[0]))
    key = f"q{number}"
    marks: list[str] = []

    def mark() -> str:
        marks.append(f"{key}-{name}-{len(marks):04}")
        return marks[-1]

    for line in KINDS[kind](mark):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    if marks:
        given = {"key": key, "agent": name, "kind": kind, "marks": marks, "at": time.time()}
        path = f"{key}.{name}.{os.getpid()}"
        with open(path, "w") as file:
            json.dump(given, file)
        os.rename(path, f"{path}.json")  # Whole, or not at all if this is killed now.


if __name__ == "__main__":
    main()
