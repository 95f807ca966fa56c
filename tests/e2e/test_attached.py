"""Ollama and LM Studio: no real server can be had here, so fakes that speak their API as real processes stand in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import openai
import pytest

from tests.attached import Foreign, foreign, until, write_stack
from tests.homes import Cli

TAG = "qwen3:4b"
Start = Callable[..., Foreign]


@pytest.fixture
def start(free_port: Callable[[], int]) -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda name, *options, **more: stack.enter_context(foreign(name, free_port(), *options, **more))


@pytest.fixture
def port(free_port: Callable[[], int]) -> int:
    return free_port()


def ollama(server: Foreign, **source: Any) -> dict[str, Any]:
    return {"ollama": {"tag": TAG, "url": server.root, **source}}


def status(cli: Cli) -> dict[str, Any]:
    return dict(json.loads(cli("status", "--json").stdout)["models"][0])


def chat(port: int, **more: Any) -> Any:
    with openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0) as client:
        return client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hello"}], **more)


def test_ollama_pulls_what_lacks_loads_its_resident_and_serves_it(start: Start, stack_cli: Cli, port: int) -> None:
    server = start("ollama", "--library", f"{TAG}=2000000000")
    write_stack(stack_cli.home.work, port, ollama(server))
    done = stack_cli("up")
    assert done.returncode == 0, done.stderr
    assert f"m: {TAG} is not in ollama at {server.root}: pulling it" in done.stderr
    assert f"{TAG}: 1.9 GiB of 1.9 GiB" in done.stderr
    assert "Ollama decides the context" in done.stderr
    assert [body["model"] for body in server.log("POST /api/pull")] == [TAG]
    assert {body["keep_alive"] for body in server.log("POST /api/generate")} == {600}
    assert chat(port).choices[0].message.content
    row = until(lambda: (found := status(stack_cli)).get("attached", {}).get("loaded") and found)
    assert (row["owner"], row["state"], row["pid"], row["error"]) == ("external", "external", None, "")
    assert (row["attached"]["memory"], row["attached"]["gpu_memory"]) == (5137025024, 4294967296)
    shown = stack_cli("status").stdout
    assert f"m: loaded in ollama at {server.root}: 4.8 GiB, 4.0 GiB of it on GPUs, a context of 4096" in shown
    assert "nothing to change" in stack_cli("up").stdout
    assert len(server.log("POST /api/pull")) == 1
    assert stack_cli("down").returncode == 0
    assert server.loaded() == [], "a resident that we made stay was left in memory"
    assert server.process.poll() is None


def test_forty_clean_turns_on_ollama_which_drops_tool_choice(start: Start, stack_cli: Cli, port: int) -> None:
    server = start("ollama", "--have", TAG)
    write_stack(stack_cli.home.work, port, ollama(server))
    assert stack_cli("up").returncode == 0
    verdict = json.loads(stack_cli("probe", "m", "--json", timeout=240).stdout)
    assert (verdict["verdict"], verdict["clean_turns"] == verdict["turns"]) == ("pass", True)
    ignored = {finding["code"] for finding in verdict["findings"] if finding["severity"] == "N"}
    assert {"required_ignored", "named_ignored"} <= ignored
    assert status(stack_cli)["tools"] == "verified"


def test_what_goes_wrong_with_ollama_is_said_with_its_place_and_its_mend(
    start: Start, stack_cli: Cli, port: int
) -> None:
    def up(server: Foreign, **model: Any) -> tuple[int, str]:
        write_stack(stack_cli.home.work, port, ollama(server), **model)
        done = stack_cli("up")
        return done.returncode, done.stderr

    old = start("ollama", "--version", "0.5.1", "--have", TAG)
    code, said = up(old)
    assert (code, f"ollama at {old.root} is version 0.5.1: 0.14.0 or newer is needed" in said) == (4, True)

    lacks = start("ollama", "--have", "qwen3:8b")
    code, said = up(lacks)
    assert (code, "pull model manifest: file does not exist" in said, "it has qwen3:8b" in said) == (4, True, True)

    small = start("ollama", "--have", TAG)
    code, said = up(small, context=65536)
    assert code == 4
    assert f"models.m.context: Ollama gives {TAG} a context of 4096, 65536 is asked for" in said
    assert "OLLAMA_CONTEXT_LENGTH=65536" in said

    plain = start("ollama", "--have", TAG, "--capabilities", "completion")
    code, said = up(plain)
    assert (code, f"{TAG} has no tools in Ollama: it has completion" in said) == (4, True)

    text = "model requires more system memory (33.1 GiB) than is available (8.0 GiB)"
    full = start("ollama", "--have", TAG, "--load-error", text)
    code, said = up(full)
    assert (code, f"ollama at {full.root} cannot load {TAG} for m: {text}" in said) == (5, True)

    gone = start("ollama")
    gone.process.kill()
    gone.process.wait()
    code, said = up(gone)
    assert (code, f"ollama at {gone.root} does not answer" in said, "ollama serve" in said) == (5, True, True)

    strange = start("lm_studio")
    code, said = up(strange)
    assert (code, f"ollama at {strange.root} is no ollama" in said) == (5, True)
    assert stack_cli.home.processes() == []


def test_a_context_that_a_modelfile_sets_is_enough(start: Start, stack_cli: Cli, port: int) -> None:
    server = start("ollama", "--have", TAG, "--num-ctx", "32768")
    write_stack(stack_cli.home.work, port, ollama(server), context=32768)
    done = stack_cli("up")
    assert done.returncode == 0, done.stderr
    assert until(lambda: status(stack_cli).get("attached", {}).get("context")) == 32768


def test_a_model_that_only_embeds_is_loaded_by_its_own_endpoint(start: Start, stack_cli: Cli, port: int) -> None:
    server = start("ollama", "--have", TAG, "--capabilities", "embedding")
    write_stack(stack_cli.home.work, port, ollama(server), capabilities=["embed"])
    done = stack_cli("up")
    assert done.returncode == 0, done.stderr
    assert server.log("POST /api/embed")[0] == {"model": TAG, "input": [], "keep_alive": 600}
    assert server.log("POST /api/generate") == []
    with openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0) as client:
        assert len(client.embeddings.create(model="m", input="hello", encoding_format="float").data[0].embedding) == 8


def test_a_pull_that_breaks_off_goes_on_where_it_stopped(start: Start, stack_cli: Cli, port: int) -> None:
    server = start("ollama", "--library", f"{TAG}=4000000", "--cut-pull")
    write_stack(stack_cli.home.work, port, ollama(server))
    first = stack_cli("pull")
    assert (first.returncode, "`stack pull` goes on where it stopped" in first.stderr) == (5, True)
    second = stack_cli("pull", "--json")
    assert second.returncode == 0, second.stderr
    assert json.loads(second.stdout) == [{"model": "m", "tag": TAG, "server": server.root, "size": 4000000}]
    third = stack_cli("pull")
    assert (third.returncode, f"m: {TAG} is in ollama at {server.root}" in third.stderr) == (0, True)


def test_on_demand_is_left_to_ollama_and_ttl_is_told_once_it_is_loaded(start: Start, stack_cli: Cli, port: int) -> None:
    server = start("ollama", "--have", TAG)
    write_stack(stack_cli.home.work, port, ollama(server), residency="on-demand", ttl="20m")
    assert stack_cli("up").returncode == 0
    assert server.loaded() == []
    assert chat(port).choices
    until(lambda: [body.get("keep_alive") for body in server.log("POST /api/generate")] == [1200])
    assert stack_cli("unload", "m").returncode == 0
    assert server.loaded() == []
    assert stack_cli("load", "m").returncode == 0
    (row,) = server.loaded()
    assert row["name"] == TAG


def test_a_resident_comes_back_when_ollama_was_restarted(start: Start, stack_cli: Cli, port: int) -> None:
    server = start("ollama", "--have", TAG)
    write_stack(stack_cli.home.work, port, ollama(server))
    assert stack_cli("up").returncode == 0
    until(lambda: status(stack_cli).get("attached"))
    server.forget()
    assert until(server.loaded, 60)
    server.process.kill()
    server.process.wait()
    row = until(lambda: (found := status(stack_cli))["error"] and found, 60)
    assert f"ollama at {server.root} does not answer" in row["error"]
    assert row["state"] == "external"


def test_a_daemon_that_nobody_watches_loads_the_resident_by_itself(start: Start, stack_cli: Cli, port: int) -> None:
    """As at boot: `stack serve` without `up`."""
    server = start("ollama", "--have", TAG)
    write_stack(stack_cli.home.work, port, ollama(server))
    serving = stack_cli.start("serve")
    assert until(server.loaded)
    row = until(lambda: (found := status(stack_cli)).get("attached", {}).get("loaded") and found)
    assert row["error"] == ""
    serving.process.terminate()
    assert serving.process.wait(60) == 0
    assert server.loaded() == []


def test_a_key_for_ollama_behind_a_proxy(start: Start, stack_cli: Cli, port: int) -> None:
    server = start("ollama", "--have", TAG, key="proxy-key")
    write_stack(stack_cli.home.work, port, ollama(server))
    without = stack_cli("up")
    assert (without.returncode, "answers 401" in without.stderr, "its `key`" in without.stderr) == (5, True, True)
    (stack_cli.home.work / "key").write_text("proxy-key\n")
    write_stack(stack_cli.home.work, port, ollama(server, key={"file": "./key"}))
    done = stack_cli("up")
    assert done.returncode == 0, done.stderr
    assert chat(port).choices
    written = [file for file in stack_cli.home.state.rglob("*") if file.is_file()]
    assert not [file for file in written if b"proxy-key" in file.read_bytes()]


def test_lm_studio(start: Start, stack_cli: Cli, port: int) -> None:
    server = start("lm_studio", "--have", "qwen/qwen3-4b", "--loaded", "8192")
    source = {"lm-studio": {"url": f"{server.root}/v1", "model": "qwen/qwen3-4b"}}
    write_stack(stack_cli.home.work, port, source, context=8192)
    done = stack_cli("up")
    assert done.returncode == 0, done.stderr
    assert "LM Studio is not told of `context: 8192`" in done.stderr
    assert chat(port).choices
    verdict = json.loads(stack_cli("probe", "m", "--json", timeout=240).stdout)
    assert verdict["verdict"] == "pass"
    assert until(lambda: status(stack_cli).get("attached"))["context"] == 8192
    pulled = stack_cli("pull")
    assert (pulled.returncode, "its server has its own weights" in pulled.stderr) == (0, True)
    loaded = stack_cli("unload", "m")
    assert (loaded.returncode, "it is not ours to stop" in loaded.stderr) == (5, True)


def test_what_goes_wrong_with_lm_studio(start: Start, stack_cli: Cli, port: int) -> None:
    def up(server: Foreign, name: str = "qwen3-4b", **model: Any) -> tuple[int, str]:
        source = {"lm-studio": {"url": server.root, "model": name}}
        write_stack(stack_cli.home.work, port, source, **model)
        done = stack_cli("up")
        return done.returncode, done.stderr

    server = start("lm_studio", "--have", "qwen3-4b", "--loaded", "4096")
    code, said = up(server, "qwen3-4")
    assert code == 4
    assert "models.m.sources.lm-studio: LM Studio has no model qwen3-4" in said
    assert "it lists qwen3-4b" in said
    code, said = up(server, context=16384)
    assert (code, "LM Studio gives qwen3-4b a context of 4096, 16384 is asked for" in said) == (4, True)
    code, said = up(start("lm_studio", "--have", "qwen3-4b", "--old"))
    assert (code, "is no lm-studio" in said) == (5, True)
    assert httpx.get(f"{server.root}/v1/models", trust_env=False).status_code == 200
