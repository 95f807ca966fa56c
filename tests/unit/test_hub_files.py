"""Which files of a repository are fetched."""

from __future__ import annotations

import pytest

from orchestrator.core.modelfiles.hub_files import folder_files, proper, split_parts

MISTRAL = [
    ".gitattributes",
    "README.md",
    "config.json",
    "consolidated.safetensors",
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "model.safetensors.index.json",
    "original/params.json",
    "original/consolidated.00.pth",
    "pytorch_model.bin",
    "tekken.json",
    "tokenizer.json",
    "tokenizer.model",
]


def test_a_folder_is_weights_and_what_describes_them() -> None:
    assert set(folder_files(MISTRAL)) == {
        "config.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
        "tekken.json",
        "tokenizer.json",
        "tokenizer.model",
    }


def test_consolidated_alone_is_the_weights() -> None:
    assert "consolidated.safetensors" in folder_files(["params.json", "consolidated.safetensors"])


def test_an_embedding_models_modules_come_along() -> None:
    names = ["1_Pooling/config.json", "model.safetensors", "modules.json", "onnx/config.json", "vocab.txt"]
    assert set(folder_files(names)) == {"1_Pooling/config.json", "model.safetensors", "modules.json", "vocab.txt"}


def test_no_safetensors_is_nothing() -> None:
    assert folder_files(["config.json", "model.gguf", "sub/model.safetensors"]) == ()


def test_a_split_file_is_all_its_parts() -> None:
    assert split_parts("q/x-00001-of-00002.gguf") == ("q/x-00001-of-00002.gguf", "q/x-00002-of-00002.gguf")
    assert split_parts("x.gguf") == ("x.gguf",)


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/./b", "a\0b"])
def test_names_that_would_leave_the_folder(name: str) -> None:
    assert not proper(name)


def test_names_that_stay() -> None:
    assert proper("refs/pr/1")
    assert proper("a/b..c.json")
