"""A file that a shell reads."""

from __future__ import annotations

import subprocess

import pytest

from orchestrator.core.client import Put
from orchestrator.edge.clients.env import change
from orchestrator.edge.clients.jsonc import BadText


def test_a_shell_reads_it_back_and_the_rest_stays() -> None:
    text = "# mine\nexport URL=old\nOTHER='a b'"
    changed = change(text, (Put(("URL",), "http://h/v1?a=b&c"), Put(("KEY",), "${SECRET}"), Put(("OUT",), "$(echo é)")))
    assert changed.startswith("# mine\nexport URL=")
    script = f'set -eu\n{changed}\nprintf "%s|" "$URL" "$OTHER" "$KEY" "$OUT"'
    done = subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, env={"SECRET": "s3", "PATH": "/bin:/usr/bin"}
    )
    assert (done.returncode, done.stdout) == (0, "http://h/v1?a=b&c|a b|s3|é|")


def test_a_name_that_is_set_twice_is_refused() -> None:
    with pytest.raises(BadText, match="line 3: A is set twice"):
        change("A=1\n\nA=2\n", (Put(("A",), "3"),))
