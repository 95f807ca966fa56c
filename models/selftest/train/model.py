"""Qwen2 in torch for training; parameter names are those of Hugging Face.

Shapes: B sequences, T tokens, H hidden, N heads of D = H / N each. No grouped keys and values, tied embeddings.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Config:
    vocab: int
    hidden: int = 128
    layers: int = 5
    heads: int = 4
    feed: int = 320
    theta: float = 10000.0
    eps: float = 1e-6
    context: int = 8192

    @property
    def head(self) -> int:
        return self.hidden // self.heads


class Norm(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.eps = config.eps
        self.weight = nn.Parameter(torch.ones(config.hidden))

    def forward(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x, (x.shape[-1],), self.weight, self.eps)


def frequencies(config: Config) -> Tensor:
    """(D/2,) angles per token of distance."""
    return 1.0 / (config.theta ** (torch.arange(0, config.head, 2).float() / config.head))


def rope_table(config: Config) -> tuple[Tensor, Tensor]:
    """cos and sin, (context, D) each."""
    angles = torch.outer(torch.arange(config.context).float(), frequencies(config))
    both = torch.cat([angles, angles], -1)
    return both.cos(), both.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    left, right = x.chunk(2, -1)
    return x * cos + torch.cat([-right, left], -1) * sin


class Attention(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        for name in ("q_proj", "k_proj", "v_proj"):
            setattr(self, name, nn.Linear(config.hidden, config.hidden))
        self.o_proj = nn.Linear(config.hidden, config.hidden, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        batch, length, hidden = x.shape
        shape = (batch, length, self.config.heads, self.config.head)
        q = rotate(self.q_proj(x).view(shape).transpose(1, 2), cos, sin)
        k = rotate(self.k_proj(x).view(shape).transpose(1, 2), cos, sin)
        v = self.v_proj(x).view(shape).transpose(1, 2)
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o_proj(y.transpose(1, 2).reshape(batch, length, hidden))


class Feed(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden, config.feed, bias=False)
        self.up_proj = nn.Linear(config.hidden, config.feed, bias=False)
        self.down_proj = nn.Linear(config.feed, config.hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.input_layernorm = Norm(config)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = Norm(config)
        self.mlp = Feed(config)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Trunk(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab, config.hidden)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.norm = Norm(config)


class Model(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.model = Trunk(config)
        self.cos, self.sin = rope_table(config)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif "embed" in name:
                nn.init.normal_(parameter, std=0.02)
            elif parameter.dim() == 2:
                gain = 0.3 if "o_proj" in name or "down_proj" in name else 1.0
                nn.init.normal_(parameter, std=gain * parameter.shape[1] ** -0.5)

    def hidden(self, ids: Tensor) -> Tensor:
        """(B, T) token ids -> (B, T, H)."""
        length = ids.shape[1]
        cos, sin = self.cos[:length], self.sin[:length]
        x = self.model.embed_tokens(ids)
        for layer in self.model.layers:
            x = layer(x, cos, sin)
        return self.model.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., H) -> (..., vocab)."""
        return hidden @ self.model.embed_tokens.weight.T

    @torch.no_grad()
    def start_heads(self, layer: int, distances: tuple[int, ...], sharpness: float = 6.0) -> None:
        """The layer's first heads start as 'look `distance` tokens back': with a key bias of constant phase, the query
        bias is the same one rotated by the distance, and RoPE does the rest. Saves the model from finding it itself."""
        attention, width = self.model.layers[layer].self_attn, self.config.head
        phase = frequencies(self.config)
        weight = torch.where(torch.arange(width // 2) < 6, sharpness, sharpness / 3)
        for head, distance in enumerate(distances):
            rows = slice(head * width, (head + 1) * width)
            attention.q_proj.weight[rows] *= 0.1
            attention.k_proj.weight[rows] *= 0.1
            attention.k_proj.bias[rows] = torch.cat([weight, torch.zeros(width // 2)])
            turned = [weight * torch.cos(-phase * distance), weight * torch.sin(-phase * distance)]
            attention.q_proj.bias[rows] = torch.cat(turned)
