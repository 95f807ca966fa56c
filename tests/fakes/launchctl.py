"""A fake launchctl as real processes, for a machine that has no launchd: `python launchctl.py FOLDER SUBCOMMAND ...`

It reads the property lists with plistlib and really starts what they say, one keeper process per job: in a session of
its own, with launchd's small environment, stdout and stderr appended to their files, started again after
ThrottleInterval (divided by FOLDER's `speed`), ended by SIGTERM, then after ExitTimeOut by SIGKILL, its group with it
unless AbandonProcessGroup. Exit statuses and words are those that launchctl of macOS 13 and later is seen to give: 113
no such service, 112 no such domain, 3 no such process, 5 loaded already or not to be read, 119 disabled, 36 under way.
FOLDER holds one JSON file a job. `touch FOLDER/no-domain` = nobody is logged in; `slow` = a bootout takes its time.
Standard library only.
"""

import contextlib
import json
import os
import plistlib
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

CONFIG = 78


def main(folder, words):
    verb, *rest = words
    if (folder / "no-domain").exists() and not rest[0].startswith("-"):
        return say(112, "Bad request.\nCould not find domain for user gui: 501")
    with (folder / "calls").open("a") as calls:
        calls.write(json.dumps(words) + "\n")
    flags = [word for word in rest if word.startswith("-")]
    rest = [word for word in rest if not word.startswith("-")]
    if verb == "bootstrap":
        return bootstrap(folder, *rest)
    domain, label = split(rest[0])
    if verb in ("enable", "disable"):
        (folder / f"{label}.disabled").unlink(missing_ok=True)
        if verb == "disable":
            (folder / f"{label}.disabled").touch()
        return 0
    if not label:
        return say(0, f"{domain} = {{\n\ttype = user\n}}", sys.stdout) if verb == "print" else say(1, "fake: no")
    job = read(folder, label)
    if verb == "bootout":
        return bootout(folder, label) if job else say(3, "Boot-out failed: 3: No such process")
    if job is None:
        name = domain.replace("/", ": ")
        return say(113, f'Bad request.\nCould not find service "{label}" in domain for user {name}')
    if verb == "print":
        return say(0, printed(f"{domain}/{label}", job), sys.stdout)
    if verb == "kickstart":
        if "-k" in flags and job["pid"]:
            os.kill(job["pid"], signal.SIGTERM)
        (folder / f"{label}.kick").touch()
        return 0
    return say(64, f"Unrecognized subcommand: {verb}")


def say(code, text, where=sys.stderr):
    print(text, file=where)
    return code


def split(target):
    parts = target.split("/")
    size = 1 if parts[0] == "system" else 2
    return "/".join(parts[:size]), "/".join(parts[size:])


def read(folder, label):
    try:
        return json.loads((folder / f"{label}.json").read_text())
    except FileNotFoundError:
        return None


def save(folder, label, job):
    new = folder / f".{label}.new"
    new.write_text(json.dumps(job))
    new.replace(folder / f"{label}.json")


def bootstrap(folder, domain, file):  # noqa: RET503
    try:
        values = plistlib.loads(Path(file).read_bytes())
    except Exception:
        return say(5, "Bootstrap failed: 5: Input/output error")
    label = values["Label"]
    if (folder / f"{label}.disabled").exists():
        return say(119, "Bootstrap failed: 119: Service is disabled")
    if read(folder, label) is not None:
        return say(5, "Bootstrap failed: 5: Input/output error")
    job = {"domain": domain, "file": file, "state": "not running", "pid": 0, "runs": 0, "exit": None, "signal": ""}
    job |= {"argv": values["ProgramArguments"]}
    save(folder, label, job)
    if os.fork():
        return 0
    os.setsid()
    for number in (0, 1, 2):
        os.dup2(os.open(os.devnull, os.O_RDWR), number)
    os.execv(sys.executable, [sys.executable, "-SE", __file__, str(folder), "keep", file])


def bootout(folder, label):
    while "keeper" not in (job := read(folder, label)):
        time.sleep(0.01)
    os.kill(job["keeper"], signal.SIGTERM)
    if (folder / "slow").exists():
        return say(36, "Boot-out failed: 36: Operation now in progress")
    while read(folder, label) is not None:
        time.sleep(0.01)
    return 0


def keep(folder, file):
    """The part of launchd: one job, until it is booted out."""
    values = plistlib.loads(Path(file).read_bytes())
    label = values["Label"]
    leaving = []
    signal.signal(signal.SIGTERM, lambda *_: leaving.append(1))
    speed = float((folder / "speed").read_text()) if (folder / "speed").exists() else 1.0
    pause = values.get("ThrottleInterval", 10) / speed

    def note(**facts):
        save(folder, label, read(folder, label) | facts)

    note(keeper=os.getpid())  # from now on a bootout is heard
    runs = 0
    while not leaving:
        began = time.monotonic()
        runs += 1
        (folder / f"{label}.kick").unlink(missing_ok=True)
        try:
            child = start(values)
        except OSError:
            child = None
            note(state="spawn scheduled", runs=runs, exit=CONFIG)
        if child:
            note(state="running", pid=child.pid, runs=runs)
            code = wait(child, leaving, values)
            if not values.get("AbandonProcessGroup", False):
                kill_group(child.pid)
            killed = f"{signal.strsignal(-code)}: {-code}" if code < 0 else ""
            note(state="not running", pid=0, exit=None if code < 0 else code, signal=killed)
        if not values.get("KeepAlive"):
            break
        while not leaving and time.monotonic() < began + pause and not (folder / f"{label}.kick").exists():
            note(state="spawn scheduled")
            time.sleep(0.02)
    while not leaving:
        time.sleep(0.02)
    if (folder / "slow").exists():
        time.sleep(0.5)
    (folder / f"{label}.json").unlink()


def start(values):
    home = os.environ["HOME"]
    env = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": home, "SHELL": "/bin/zsh", "TMPDIR": "/tmp"}
    env |= {"XPC_SERVICE_NAME": values["Label"], **values.get("EnvironmentVariables", {})}
    out = os.open(values["StandardOutPath"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    err = os.open(values["StandardErrorPath"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    limits = values.get("SoftResourceLimits", {})

    def before():
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        wanted = limits.get("NumberOfFiles", 256)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))

    try:
        return subprocess.Popen(
            values["ProgramArguments"],
            env=env,
            cwd=values.get("WorkingDirectory", "/"),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
            preexec_fn=before,
        )
    finally:
        os.close(out)
        os.close(err)


def wait(child, leaving, values):
    until = None
    while (code := child.poll()) is None:
        if leaving and until is None:
            child.terminate()
            until = time.monotonic() + values.get("ExitTimeOut", 5)
        if until is not None and time.monotonic() > until:
            child.kill()
        time.sleep(0.02)
    return code


def kill_group(pid):
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGTERM)


def printed(target, job):
    ended = ["\tlast exit code = (never exited)"]
    if job["signal"]:
        ended = [f"\tlast terminating signal = {job['signal']}"]
    elif job["exit"] is not None:
        ended = [f"\tlast exit code = {job['exit']}{': EX_CONFIG' if job['exit'] == CONFIG else ''}"]
    lines = [
        f"{target} = {{",
        f"\tactive count = {1 if job['pid'] else 0}",
        f"\tpath = {job['file']}",
        f"\ttype = {'LaunchDaemon' if job['domain'] == 'system' else 'LaunchAgent'}",
        f"\tstate = {job['state']}",
        "",
        f"\tprogram = {job['argv'][0]}",
        "\targuments = {",
        *(f"\t\t{word}" for word in job["argv"]),
        "\t}",
        "",
        f"\truns = {job['runs']}",
        *([f"\tpid = {job['pid']}"] if job["pid"] else []),
        *ended,
        "",
        "\tresource coalition = {",
        "\t\tstate = active",
        "\t}",
        "}",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    if sys.argv[2] == "keep":
        keep(Path(sys.argv[1]), sys.argv[3])
    else:
        sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
