"""Batches of token ids and targets. Shapes: ids (B, T), targets (B, T - 1) with -100 where nothing is learnt."""

from __future__ import annotations

import random

import torch
from tokenizers import Tokenizer
from torch import Tensor

from models.selftest.train.chat import Dialogue, Style, segments
from models.selftest.train.dialogues import sample, style

IGNORE = -100
Row = tuple[list[int], list[int]]
Batch = tuple[Tensor, Tensor]


def encode(tokenizer: Tokenizer, dialogue: Dialogue, shape: Style) -> Row:
    """Ids and targets of one dialogue; targets stand at the position of the token itself."""
    ids: list[int] = []
    targets: list[int] = []
    parts = segments(dialogue, shape)
    for part, coded in zip(
        parts, tokenizer.encode_batch([p.text for p in parts], add_special_tokens=False), strict=True
    ):
        ids += coded.ids
        targets += coded.ids if part.trained else [IGNORE] * len(coded.ids)
    return ids, targets


def padded(rows: list[Row]) -> Batch:
    length = max(len(ids) for ids, _ in rows)
    x = torch.zeros(len(rows), length, dtype=torch.long)
    y = torch.full((len(rows), length), IGNORE)
    for index, (ids, targets) in enumerate(rows):
        x[index, : len(ids)] = torch.tensor(ids)
        y[index, : len(targets)] = torch.tensor(targets)
    return x, y[:, 1:]


class Source:
    """Makes batches of about `budget` tokens each."""

    def __init__(self, tokenizer: Tokenizer, seed: int, longest: int = 6400) -> None:
        self.tokenizer, self.rng, self.longest = tokenizer, random.Random(seed), longest
        self.pool: list[Row] = []

    def row(self, calls: int, brief: float) -> Row:
        dialogue = sample(self.rng, calls, brief)
        return encode(self.tokenizer, dialogue, style(self.rng, dialogue))

    def short(self, budget: int, brief: float) -> Batch:
        """Short tasks of similar length, out of a sorted pool."""
        if len(self.pool) < 60:
            self.pool += [self.row(0, brief) for _ in range(120)]
            self.pool.sort(key=lambda row: len(row[0]))
        at = self.rng.randrange(len(self.pool))
        rows: list[Row] = []
        while self.pool:
            at = min(at, len(self.pool) - 1)
            if rows and max(len(r[0]) for r in [*rows, self.pool[at]]) * (len(rows) + 1) > budget:
                break
            rows.append(self.pool.pop(at))
        return padded(rows)

    def walks(self, budget: int, low: int, high: int, brief: float) -> Batch:
        """Walks of `low` to `high` calls, of similar length within the batch."""
        calls = self.rng.randint(low, high)
        rows: list[Row] = []
        while True:
            row = self.row(self.rng.randint(max(2, int(calls * 0.85)), calls), brief)
            if len(row[0]) > self.longest:
                continue
            if rows and max(len(r[0]) for r in [*rows, row]) * (len(rows) + 1) > budget:
                return padded(rows)
            rows.append(row)
            if max(len(r[0]) for r in rows) * (len(rows) + 1) > budget * 1.1:
                return padded(rows)

    def copying(self, budget: int, length: int = 144) -> Batch:
        """Dense copying: a random segment again and again with other tokens between; the loss is on the copies."""
        rows, vocab, rng = [], self.tokenizer.get_vocab_size() - 9, self.rng
        for _ in range(budget // length):
            few = [rng.randrange(vocab) for _ in range(rng.choice([20, 200]))]
            segment = [rng.choice(few) for _ in range(rng.randint(4, 24))]
            begin, end = rng.randrange(vocab), rng.randrange(vocab)
            ids: list[int] = []
            targets: list[int] = []
            while len(ids) < length:
                if ids and rng.random() < 0.5:
                    between = [rng.choice(few) for _ in range(rng.randint(1, 20))]
                    ids += between
                    targets += [IGNORE] * len(between)
                targets += [IGNORE, *([*segment, end] if ids else [IGNORE] * (len(segment) + 1))]
                ids += [begin, *segment, end]
            rows.append((ids[:length], targets[:length]))
        return padded(rows)
