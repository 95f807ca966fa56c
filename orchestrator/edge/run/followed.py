"""A running container: its log is copied to ours until it ends, by which we hear of its end."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path
from typing import Any

from orchestrator.edge.run import docker_api, logs
from orchestrator.errors import EngineError

AGAIN = 0.2
"""Seconds before a look at a container whose log ended though it runs."""


class Followed:
    """pid: on this machine; None where docker runs in a virtual machine, whose pids mean nothing here."""

    def __init__(self, ident: str, pid: int | None, log: Path, since: float | None = None) -> None:
        self.id = ident
        self.pid = pid
        self.alive = True
        self.why = ""
        self._log = log
        self._since = since
        self._stream: Any = None
        self._left = False
        self._thread = threading.Thread(target=self._follow, name=f"docker logs {ident[:12]}", daemon=True)
        self._thread.start()

    def leave(self) -> None:
        """Follows no longer; the container goes on."""
        self._left = True
        if self._stream is not None:
            with contextlib.suppress(Exception):  # the SDK closes a socket that may be closed already
                self._stream.close()
        self._thread.join(5)

    def join(self) -> None:
        """Waits until the last words of a container that was stopped are in the log."""
        self._thread.join(5)

    def _follow(self) -> None:
        from docker.errors import APIError, NotFound

        try:
            while not self._left and self._copy():
                time.sleep(AGAIN)
        except NotFound:
            self.why = "was removed by somebody"
        except EngineError as error:
            self.why = f"is gone: {error.text}"
        except APIError as error:
            self.why = f"is gone: docker says {error.explanation}"
        finally:
            self.alive = False

    def _copy(self) -> bool:
        """Until the log ends. Whether the container runs still (a docker that restarted and kept it)."""
        with docker_api.daemon() as client, logs.appending(self._log) as out:
            container = client.containers.get(self.id)
            since = {} if self._since is None else {"since": self._since}
            self._stream = container.logs(stream=True, follow=True, **since)
            for chunk in self._stream:
                with contextlib.suppress(OSError):  # a full disk is no reason to lose sight of the engine
                    out.write(chunk)
            self._since = time.time()
            if self._left:
                return False
            container.reload()
            if container.attrs["State"]["Running"]:
                return True
            self.why = end_words(container.attrs["State"])
            return False


def end_words(state: dict[str, Any]) -> str:
    """docker's `State` of a container that ended -> `exited with 2`."""
    code = int(state.get("ExitCode", 0))
    words = f"was killed by signal {code - 128}" if 128 < code < 160 else f"exited with {code}"
    if state.get("OOMKilled"):
        words += " (out of memory)"
    return f"{words}: {state['Error']}" if state.get("Error") else words
