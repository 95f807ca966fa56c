"""Command lines of engines."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.core.imports import llama_server, python_engines
from orchestrator.core.imports.command import grouped, split, started
from orchestrator.core.imports.draft import Draft


@pytest.mark.parametrize(
    ("cmd", "engine", "program", "arguments"),
    [
        ("llama-server -m x", "llama-cpp", "", ["-m", "x"]),
        ("/opt/llama-server-b6800 -m x", "llama-cpp", "/opt/llama-server-b6800", ["-m", "x"]),
        ("env A=1 B=2 ./llama-server", "llama-cpp", "./llama-server", []),
        ("vllm serve org/m", "vllm", "", ["org/m"]),
        ("vllm bench", "", "vllm", ["bench"]),
        ("python3 -m vllm.entrypoints.openai.api_server --model m", "vllm", "", ["--model", "m"]),
        ("vllm-mlx serve m", "vllm-mlx", "", ["m"]),
        ("mlx_lm.server --model m", "mlx-lm", "", ["--model", "m"]),
        ("mlx_lm server --model m", "mlx-lm", "", ["--model", "m"]),
        ("python -m mlx_lm server --model m", "mlx-lm", "", ["--model", "m"]),
        ("python -m http.server", "", "python", ["-m", "http.server"]),
        ("bash -c 'llama-server -m x'", "", "bash", ["-c", "llama-server -m x"]),
        ("my-llama-server -m x", "", "my-llama-server", ["-m", "x"]),
    ],
)
def test_which_engine_a_command_starts(cmd: str, engine: str, program: str, arguments: list[str]) -> None:
    found = started(split(cmd))
    assert (found.engine, found.program, found.arguments) == (engine, program, arguments)


def test_a_command_is_split_as_llama_swap_does() -> None:
    text = '# a comment\nserver \\\n  --a \'b c\'\n  # --left out\n  --d "e\\"f"'
    assert split(text) == ["server", "--a", "b c", "--d", 'e"f']
    with pytest.raises(ValueError, match="quotation"):
        split("server 'a")


def test_flags_and_their_values() -> None:
    assert list(grouped(["pos", "-c", "1", "--x=2", "-t", "-1", "--y", "a", "b", "-z"])) == [
        ("", ["pos"]),
        ("-c", ["1"]),
        ("--x", ["2"]),
        ("-t", ["-1"]),
        ("--y", ["a", "b"]),
        ("-z", []),
    ]


def said(
    backend: str, cmd: str, owned: dict[str, str] | None = None
) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    draft = Draft("m", ("models", "m"), backend)
    convert = llama_server.convert if backend == "llama-cpp" else python_engines.convert
    convert(draft, split(cmd), owned or {})
    return draft.source, draft.model, [note.text for note in draft.notes]


@pytest.mark.parametrize(
    ("flags", "source", "model"),
    [
        ("-m /m/x.gguf", {"path": "/m/x.gguf"}, {}),
        ("-m x.gguf -c 0 -np -1 -n -1 -ngl 999 -fa", {"path": "./x.gguf"}, {"serve": {"extra_args": ["-fa"]}}),
        ("-hf org/r:Q4 -hff f.gguf", {"repo": "org/r", "file": "f.gguf"}, {}),
        ("-m x.gguf -c 8192 -np 4", {"path": "./x.gguf"}, {"context": 2048, "serve": {"concurrency": 4}}),
        ("-m x.gguf -md d.gguf --mmproj ~/p.gguf", {"path": "./x.gguf", "draft": "./d.gguf", "mmproj": "~/p.gguf"}, {}),
        ("-m x.gguf -ctk q8_0 -ctv q8_0", {"path": "./x.gguf"}, {"memory": {"kv_dtype": "q8"}}),
        ("-m x.gguf --embedding", {"path": "./x.gguf"}, {"capabilities": ["embed"]}),
        ("-m x.gguf -n 512 -a y --host 0.0.0.0 --port 1", {"path": "./x.gguf"}, {"serve": {"max_tokens": 512}}),
    ],
)
def test_llama_server(flags: str, source: dict[str, Any], model: dict[str, Any]) -> None:
    assert said("llama-cpp", flags) == (source, model, [])


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("-ngl 20", "-ngl 20: the plan counts layers from memory"),
        ("-ctk q8_0", "--cache-type-k q8_0, --cache-type-v f16"),
        ("-np 2 -c 100 -kvu", "--kv-unified let one request use all"),
        ("--chat-template chatml", "put the template into a file"),
        ("--no-jinja", "the model's own template"),
        ("--api-key abc", "--api-key holds a secret: it is left out"),
        ("--token hf_0123456789", "--token holds a secret"),
        ("--mine 1", "--mine 1: in stack.yaml `serve` decides this"),
    ],
)
def test_what_llama_servers_flags_cannot_say_is_noted(flags: str, words: str) -> None:
    _, model, notes = said("llama-cpp", f"-m x.gguf {flags}", {"--mine": "serve"})
    assert words in " ".join(notes)
    assert "abc" not in str((model, notes))
    assert "hf_" not in str((model, notes))


def test_llama_server_that_chooses_its_file_itself() -> None:
    with pytest.raises(llama_server.NotAFile, match="-hf names a repository"):
        said("llama-cpp", "-hf org/r:Q4")


@pytest.mark.parametrize(
    ("backend", "flags", "source", "model"),
    [
        ("vllm", "org/m --max-model-len 32K", {"repo": "org/m"}, {"context": 32768}),
        ("vllm", "./m -tp 2 --revision v1", {"path": "./m", "revision": "v1"}, {"tensor_parallel": 2}),
        ("vllm", "--model=org/m --kv-cache-dtype fp8_e5m2", {"repo": "org/m"}, {"memory": {"kv_dtype": "fp8"}}),
        ("vllm", "/m/x --reasoning-parser qwen3", {"path": "/m/x"}, {"parsers": {"reasoning": "qwen3"}}),
        ("vllm", "org/m --swap-space 4", {"repo": "org/m"}, {"serve": {"extra_args": ["--swap-space", "4"]}}),
        (
            "vllm-mlx",
            "org/m --cache-memory-mb 512 --mllm",
            {"repo": "org/m"},
            {"memory": {"kv": "512MiB"}, "capabilities": ["chat", "vision"]},
        ),
        (
            "mlx-lm",
            "--model org/m --kv-bits 4 --decode-concurrency 8",
            {"repo": "org/m"},
            {"memory": {"kv_dtype": "q4"}, "serve": {"concurrency": 8}},
        ),
        ("mlx-lm", "--model m --draft-model ../d", {"path": "./m", "draft": "../d"}, {}),
    ],
)
def test_engines_of_python(backend: str, flags: str, source: dict[str, Any], model: dict[str, Any]) -> None:
    assert said(backend, flags) == (source, model, [])


def test_an_engine_without_a_model_stays_a_command() -> None:
    with pytest.raises(ValueError, match="which model"):
        said("vllm", "--port 1")
