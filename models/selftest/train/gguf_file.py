"""The GGUF file, by hand: the stock converter refuses a BPE vocabulary that it does not know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
from torch import Tensor

LAYER_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def gguf_name(name: str) -> str:
    if name == "model.embed_tokens.weight":
        return "token_embd.weight"
    if name == "model.norm.weight":
        return "output_norm.weight"
    _, _, layer, *module, leaf = name.split(".")
    return f"blk.{layer}.{LAYER_NAMES['.'.join(module)]}.{leaf}"


def write_gguf(
    path: Path,
    config: dict[str, Any],
    tokens: dict[str, Any],
    template: str,
    weights: dict[str, Tensor],
    kind: str = "BF16",
) -> None:
    """`tokens`: tokenizer.json; `weights`: Hugging Face name -> bfloat16 tensor; kind: of matrices, as gguf calls it.
    Vectors become float32."""
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_name("stack-selftest")
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_file_type(gguf.LlamaFileType[f"MOSTLY_{kind}"])
    writer.add_vocab_size(config["vocab_size"])
    texts = [f"[PAD{index}]" for index in range(config["vocab_size"])]
    types = [gguf.TokenType.UNUSED] * config["vocab_size"]
    for text, index in tokens["model"]["vocab"].items():
        texts[index], types[index] = text, gguf.TokenType.NORMAL
    for added in tokens["added_tokens"]:
        special = gguf.TokenType.CONTROL if added["special"] else gguf.TokenType.USER_DEFINED
        texts[added["id"]], types[added["id"]] = added["content"], special
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(texts)
    writer.add_token_types(types)
    writer.add_token_merges(
        [merge if isinstance(merge, str) else " ".join(merge) for merge in tokens["model"]["merges"]]
    )
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_pad_token_id(config["pad_token_id"])
    writer.add_add_bos_token(False)
    writer.add_chat_template(template)
    for name, value in weights.items():
        array = value.float().numpy()
        if array.ndim == 2:
            stored = gguf.GGMLQuantizationType[kind]
            writer.add_tensor(gguf_name(name), gguf.quants.quantize(array, stored), raw_dtype=stored)
        else:
            writer.add_tensor(gguf_name(name), array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
