"""Checks of the session and the system: linger, open files, the clock."""

from __future__ import annotations

import re
from collections.abc import Iterator

from orchestrator.core.doctor.facts import Facts, Missing
from orchestrator.core.doctor.need import Need
from orchestrator.core.doctor.result import Said, grave, known, ok, warning

FEW = 4096
"""Each client of the gateway costs two descriptors, and engines map each shard of their weights."""
DAY = 86400.0


def linger(facts: Facts, need: Need) -> Iterator[Said]:
    """`service: boot` on Linux: without linger user units start at the first login and end with the last."""
    if need.service != "boot" or known(facts.host).system != "linux":
        return
    answer = known(facts.linger)
    mend = f"sudo loginctl enable-linger {facts.user}"
    if answer is None:
        yield grave(
            "service: boot needs systemd, and there is no loginctl here", "service: none, and start it otherwise"
        )
    elif "Linger=yes" in answer.text:
        yield ok(f"{facts.user} lingers")
    elif "Linger=no" in answer.text or "not logged in or lingering" in answer.text:
        yield grave("service: boot, and linger is off: nothing starts before you log in", mend)
    else:
        said = next(iter(answer.text.strip().splitlines()), f"exit {answer.status}")
        yield Said("unknown", f"whether {facts.user} lingers: loginctl: {said}")


def open_files(facts: Facts, need: Need) -> Iterator[Said]:
    """The hard limit: the daemon raises the soft one to it by itself."""
    files = known(facts.files)
    if files.hard is not None and files.hard < FEW:
        mend = "raise it: LimitNOFILE=65536 in the unit, or `hard nofile` in /etc/security/limits.conf"
        yield warning(f"a process may open {files.hard} files at most", mend)
    else:
        yield ok(f"{files.hard or 'any number of'} open files")


def clock(facts: Facts, need: Need) -> Iterator[Said]:
    """A clock in the past breaks TLS, and with it downloads and upstreams."""
    found = known(facts.clock)
    answer = found.synchronized
    macos = not isinstance(facts.host, Missing) and facts.host.system == "macos"
    mend = "sudo systemsetup -setusingnetworktime on" if macos else "sudo timedatectl set-ntp true"
    if found.now + DAY < found.newest:
        days = int((found.newest - found.now) / DAY)
        yield warning(f"the clock is {days} days behind the files of stack itself", mend)
    elif answer is not None and re.search(r"^NTPSynchronized=no$", answer.text, re.MULTILINE):
        yield warning("the clock is not synchronized", mend)
    else:
        yield ok("the clock is not behind")
