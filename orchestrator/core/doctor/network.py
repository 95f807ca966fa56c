"""Checks of the network on loopback: who holds the stack's ports, and proxies that would be asked for them."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core.doctor.facts import Facts
from orchestrator.core.doctor.need import Need
from orchestrator.core.doctor.result import Said, bad, known, ok, warning

PROXIES = ("http_proxy", "https_proxy", "all_proxy")
LOOPBACK = ("localhost", "127.0.0.1")


def ports(facts: Facts, need: Need) -> Iterator[Said]:
    """The gateway's, the engines' and llama-swap's ports are free, or held by this stack itself."""
    held = known(facts.ports)
    for one in held:
        if not one.ours:
            mend = f"stop {one.who}, or choose another port in stack.yaml"
            yield bad(bool(need.stack), f"port {one.port} for {one.what} is taken by {one.who}", mend)
    if all(one.ours for one in held):
        yield ok(f"{len(need.ports)} ports, {f'{len(held)} held by the stack itself' if held else 'all free'}")


def proxy(facts: Facts, need: Need) -> Iterator[Said]:
    """Clients on this machine read these variables: without no_proxy they ask the proxy for 127.0.0.1."""
    environment = known(facts.environment)
    named = [name for name in environment if name.lower() in PROXIES]
    if not named:
        yield ok("no proxy is set")
        return
    # most programs read both spellings
    entries = ",".join(environment.get(name, "") for name in ("no_proxy", "NO_PROXY"))
    if left := [host for host in LOOPBACK if not _covered(host, entries)]:
        are = "is" if len(named) == 1 else "are"
        text = f"{' and '.join(named)} {are} set, and no_proxy leaves out {' and '.join(left)}"
        mend = f"add {','.join(left)} to no_proxy and NO_PROXY"
        yield warning(f"{text}: clients would ask the proxy for the stack", mend)
        return
    yield ok("a proxy is set, and no_proxy names loopback")


def _covered(host: str, entries: str) -> bool:
    """As curl and the HTTP libraries of Python read it: names and suffixes, `*` for all; few read networks."""
    names = {entry.strip().lstrip(".").lower() for entry in entries.split(",")}
    return host in names or "*" in names
