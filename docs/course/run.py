#!/usr/bin/env python3
"""Runs the course: every command of every chapter, in order, as a reader would type it.

    docs/course/run.py HOME [--program target/release/shuyuan] [--only en|zh] [--show]

HOME is a home folder that `shuyuan quickstart` has made; it is not changed. Each language gets a folder of its own to
work in and its own locale. A ```sh block must end with exit code 0. A ```output block after it holds lines that the
command must have printed in this order, where … stands for anything and a number for any number; in an
```output exact block a number is that number. Other blocks are for reading. --show prints what came.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SECONDS = 120  # for one command; on two idle cores each takes a few
NUMBER = r"[-−+]?(?:\d[\d,]*)?\.?\d+"
LOCALES = {"en": "C.UTF-8", "zh": "zh_CN.UTF-8"}


def blocks(path):
    """The fenced blocks of a chapter: (line, info, text)."""
    info, start, lines = None, 0, []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if info is None and line.startswith("```"):
            info, start, lines = line[3:].strip(), number, []
        elif info is not None and line.strip() == "```":
            yield start, info, "\n".join(lines)
            info = None
        elif info is not None:
            lines.append(line)
    if info is not None:
        sys.exit(f"{path}:{start}: the block that begins here has no end")


def squeezed(line):
    return " ".join(line.split())


def pattern(line, exact):
    """A line of an output block as a regular expression."""
    parts = re.split(rf"(…)|(?<![\w.])({NUMBER})(?!\w)", squeezed(line))
    regex = ""
    for literal, dots, number in zip(parts[::3], parts[1::3] + [None], parts[2::3] + [None]):
        regex += re.escape(literal)
        if dots:
            regex += ".*?"
        elif number:
            regex += re.escape(number) if exact else NUMBER
    return re.compile(regex.replace(r"\ .*?", r"\ ?.*?").replace(r".*?\ ", r".*?\ ?"))


def missing(wanted, printed, exact):
    """The first line that was promised and did not come."""
    lines = iter([squeezed(line) for line in printed.splitlines()])
    for line in filter(str.strip, wanted.splitlines()):
        regex = pattern(line, exact)
        if not any(regex.fullmatch(found) for found in lines):
            return line
    return None


def run(command, folder, env):
    """(exit code, what was printed); whatever it left running is ended."""
    process = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder, env=env, text=True, errors="replace", start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    try:
        printed, _ = process.communicate(timeout=SECONDS)
        code = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        printed, code = process.communicate()[0] + f"\n(ended after {SECONDS} s)", -1
    return code, printed


def study(path, folder, env, show):
    """Runs one chapter; returns what failed, as texts."""
    started, printed, commands, wrong = time.time(), None, 0, []
    for line, info, text in blocks(path):
        where = f"{path.parent.name}/{path.name}:{line}"
        if info == "sh":
            code, printed = run(text, folder, env)
            commands += 1
            if show:
                print(f"\n--- {where}\n{text}\n>>>\n{printed}")
            if code != 0:
                wrong.append(f"{where}: exit code {code}\n{text}\n--- it printed\n{printed}")
        elif info.split()[:1] == ["output"]:
            absent = missing(text, printed or "", "exact" in info)
            if absent is not None:
                wrong.append(f"{where}: no such line was printed\n{absent}\n--- it printed\n{printed}")
    if commands == 0:
        wrong.append(f"{path}: there is no command in it")
    if not wrong:
        print(f"ok    {path.parent.name}/{path.name}: {commands} blocks, {time.time() - started:.1f} s", flush=True)
    return wrong


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("home", type=Path)
    arguments.add_argument("--program", type=Path, default=HERE / "../../target/release/shuyuan")
    arguments.add_argument("--show", action="store_true")
    arguments.add_argument("--only", choices=LOCALES)
    given = arguments.parse_args()
    if not (given.home / "report.json").is_file():
        sys.exit(f"{given.home} is no finished home: make it with `shuyuan quickstart --home {given.home} --no-serve`")
    names = {language: sorted(path.name for path in (HERE / language).glob("[0-9]*.md")) for language in LOCALES}
    if names["en"] != names["zh"]:
        sys.exit(f"the chapters differ: {names}")
    failed, started = 0, time.time()
    for language, locale in LOCALES.items():
        if given.only not in (None, language):
            continue
        with tempfile.TemporaryDirectory(prefix="shuyuan-course-") as folder:
            # The home is where a reader's would be, and the program on the path.
            person, place = Path(folder, "home"), Path(folder, "course")
            (person / ".local/share").mkdir(parents=True)
            (person / ".local/share/shuyuan").symlink_to(given.home.resolve())
            place.mkdir()
            env = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "XDG_"))}
            path = f"{given.program.resolve().parent}:{env.get('PATH', '')}"
            env |= {"HOME": str(person), "PATH": path, "LANG": locale}
            for name in names[language]:
                for wrong in study(HERE / language / name, place, env, given.show):
                    failed += 1
                    print(f"FAIL  {wrong}\n", flush=True)
    print(f"the course: {failed} failed, {time.time() - started:.0f} s")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
