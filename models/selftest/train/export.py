"""The trained weights as a Hugging Face folder (safetensors) and as GGUF, both bfloat16, with checksums."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from models.selftest.train.gguf_file import write_gguf
from models.selftest.train.train import load
from orchestrator.core.dialogue.wording import WORDS

TEMPLATE = "chat_template.jinja"
PROBE = {
    "events": ["pair", "retry"],
    "every": 8,
    "turns": 40,
    "max_tokens": 400,
    "padding": 200,
    "extra_tools": 4,
}
"""The size of the exercise that this model was trained for; orchestrator/core/dialogue/setup.py says what each is."""
SUMMED = (
    "model.safetensors",
    "selftest.gguf",
    "tokenizer.json",
    "tokenizer_config.json",
    "config.json",
    "generation_config.json",
    TEMPLATE,
)


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def model_config(config: dict[str, Any], end: int, pad: int) -> dict[str, Any]:
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "hidden_act": "silu",
        "hidden_size": config["hidden"],
        "intermediate_size": config["feed"],
        "num_hidden_layers": config["layers"],
        "num_attention_heads": config["heads"],
        "num_key_value_heads": config["heads"],
        "head_dim": config["hidden"] // config["heads"],
        "vocab_size": config["vocab"],
        "max_position_embeddings": config["context"],
        "rms_norm_eps": config["eps"],
        "rope_theta": config["theta"],
        "tie_word_embeddings": True,
        "attention_dropout": 0.0,
        "initializer_range": 0.02,
        "use_cache": True,
        "use_sliding_window": False,
        "max_window_layers": config["layers"],
        "torch_dtype": "bfloat16",
        "bos_token_id": None,
        "eos_token_id": end,
        "pad_token_id": pad,
    }


def tokenizer_config(added: list[dict[str, Any]], context: int, template: str) -> dict[str, Any]:
    fields = ("content", "lstrip", "rstrip", "normalized", "single_word", "special")
    return {
        "tokenizer_class": "Qwen2Tokenizer",
        "model_max_length": context,
        "add_prefix_space": False,
        "add_bos_token": False,
        "bos_token": None,
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "unk_token": None,
        "errors": "replace",
        "clean_up_tokenization_spaces": False,
        "split_special_tokens": False,
        "additional_special_tokens": ["<|im_start|>", "<|im_end|>"],
        "added_tokens_decoder": {str(token["id"]): {name: token[name] for name in fields} for token in added},
        "chat_template": template,
    }


def write_sums(folder: Path) -> None:
    """SHA256SUMS in the format of `sha256sum -c`."""
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in SUMMED]
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


def export(work: Path, out: Path) -> None:
    """checkpoint.pt and tokenizer.json of `work` -> the model folder `out`; the chat template is a source."""
    out.mkdir(parents=True, exist_ok=True)
    home = Path(__file__).resolve().parent.parent
    if out.resolve() != home:
        shutil.copy(home / TEMPLATE, out / TEMPLATE)
    shutil.copy(work / "tokenizer.json", out / "tokenizer.json")
    if (work / "training.log").exists():
        shutil.copy(work / "training.log", out / "training.log")
    template = (out / TEMPLATE).read_text(encoding="utf-8")
    tokens = json.loads((out / "tokenizer.json").read_text(encoding="utf-8"))
    ids = {token["content"]: token["id"] for token in tokens["added_tokens"]}
    end, pad = ids["<|im_end|>"], ids["<|endoftext|>"]
    model, kept = load(work / "checkpoint.pt")
    config = model_config(kept["config"], end, pad)
    weights = {name: value.to(torch.bfloat16).contiguous() for name, value in model.state_dict().items()}
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    (out / "model.safetensors").chmod(0o644)
    write_gguf(out / "selftest.gguf", config, tokens, template, weights)
    write_json(out / "config.json", config)
    write_json(out / "generation_config.json", {"do_sample": False, "eos_token_id": [end, pad], "pad_token_id": pad})
    write_json(
        out / "tokenizer_config.json",
        tokenizer_config(tokens["added_tokens"], config["max_position_embeddings"], template),
    )
    write_json(out / "probe.json", {**PROBE, "alphabet": list(WORDS)})
    write_sums(out)
