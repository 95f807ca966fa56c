"""The optimiser: Muon on the matrices of the layers, AdamW on embeddings, norms and biases."""

from __future__ import annotations

import torch
from torch import Tensor

from models.selftest.train.model import Model


def orthogonal(gradients: Tensor, steps: int = 5) -> Tensor:
    """(n, a, b) matrices -> nearly orthogonal ones with the same row and column spaces (Newton-Schulz)."""
    x = gradients
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.transpose(-1, -2)
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        square = x @ x.transpose(-1, -2)
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x.transpose(-1, -2) if tall else x


class Optimiser:
    """`step(factor)` scales both learning rates by `factor` in [0, 1]."""

    def __init__(self, model: Model, muon_rate: float = 0.02, adam_rate: float = 0.003, momentum: float = 0.95) -> None:
        self.muon_rate, self.adam_rate, self.momentum = muon_rate, adam_rate, momentum
        self.groups: dict[tuple[int, ...], list[Tensor]] = {}
        self.rest: list[Tensor] = []
        for name, parameter in model.named_parameters():
            if parameter.dim() == 2 and "embed" not in name:
                self.groups.setdefault(tuple(parameter.shape), []).append(parameter)
            else:
                self.rest.append(parameter)
        self.moments = {shape: torch.zeros(len(group), *shape) for shape, group in self.groups.items()}
        self.adam = torch.optim.AdamW(self.rest, lr=adam_rate, betas=(0.9, 0.95), weight_decay=0.0)

    @torch.no_grad()
    def step(self, factor: float) -> None:
        for group in self.adam.param_groups:
            group["lr"] = self.adam_rate * factor
        torch.nn.utils.clip_grad_norm_(self.rest, 1.0)
        self.adam.step()
        for shape, parameters in self.groups.items():
            gradients = torch.stack([parameter.grad for parameter in parameters])
            moment = self.moments[shape].mul_(self.momentum).add_(gradients, alpha=1 - self.momentum)
            updates = orthogonal(gradients.mul(1 - self.momentum).add(moment, alpha=self.momentum))
            rate = self.muon_rate * factor
            scale = rate * max(1.0, shape[0] / shape[1]) ** 0.5
            for parameter, update in zip(parameters, updates, strict=True):
                parameter.mul_(1 - rate * 0.005).add_(update, alpha=-scale)
