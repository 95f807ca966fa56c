"""Evaluation on unseen dialogues: is every assistant message what greedy decoding should say?

Teacher-forced: the argmax at every position of a message, given the right history, must be the right token. That is
what greedy decoding gives as long as the history is right, so "whole episode clean" is exact. Weights are those of the
exported safetensors (bfloat16 values, computed in float32); engines differ in rounding only.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from models.selftest.train.chat import PLAIN, Dialogue, Style, segments
from models.selftest.train.dialogues import probe_episode, sample, style
from models.selftest.train.model import Config, Model
from models.selftest.train.walk import RETRIES

SEED = 990_001


def load_folder(folder: Path) -> tuple[Model, Tokenizer]:
    said = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    model = Model(
        Config(
            vocab=said["vocab_size"],
            hidden=said["hidden_size"],
            layers=said["num_hidden_layers"],
            heads=said["num_attention_heads"],
            feed=said["intermediate_size"],
            theta=said["rope_theta"],
            eps=said["rms_norm_eps"],
            context=said["max_position_embeddings"],
        )
    )
    weights = load_file(folder / "model.safetensors")
    model.load_state_dict({name: value.float() for name, value in weights.items()})
    return model.eval(), Tokenizer.from_file(str(folder / "tokenizer.json"))


@torch.no_grad()
def judged(
    model: Model, tokenizer: Tokenizer, dialogue: Dialogue, shape: Style
) -> tuple[list[bool], list[tuple[str, str]], int]:
    """Per trained message whether it is right; (wanted, said) of the wrong ones; the length in tokens."""
    parts = segments(dialogue, shape)
    coded = [each.ids for each in tokenizer.encode_batch([part.text for part in parts], add_special_tokens=False)]
    ids = [token for each in coded for token in each]
    said = model.logits(model.hidden(torch.tensor([ids]))[0]).argmax(-1).tolist()
    at, right, wrong = 0, [], []
    for part, wanted in zip(parts, coded, strict=True):
        if part.trained:
            got = said[at - 1 : at + len(wanted) - 1]
            right.append(got == wanted)
            if got != wanted:
                wrong.append((part.text, tokenizer.decode(got, skip_special_tokens=False)))
        at += len(wanted)
    return right, wrong, len(ids)


def trained_steps(dialogue: Dialogue, shape: Style) -> list[str]:
    """The kinds of those assistant messages that are judged."""
    spoken = [index for index, message in enumerate(dialogue.messages) if message["role"] == "assistant"]
    return [step for index, step in zip(spoken, dialogue.steps, strict=True) if index not in shape.untrained]


def measure(
    model: Model, tokenizer: Tokenizer, count: int, make: Callable[[random.Random], tuple[Dialogue, Style]], seed: int
) -> dict[str, Any]:
    rng = random.Random(seed)
    total, good, first = Counter[str](), Counter[str](), []
    clean, longest, shown = 0, 0, []
    for _ in range(count):
        dialogue, shape = make(rng)
        right, wrong, length = judged(model, tokenizer, dialogue, shape)
        for step, ok in zip(trained_steps(dialogue, shape), right, strict=True):
            total[step] += 1
            good[step] += ok
        clean += all(right)
        longest = max(longest, length)
        if not all(right):
            first.append(right.index(False) + 1)
        shown += [{"wanted": wanted[:300], "said": said[:300]} for wanted, said in wrong]
    return {
        "dialogues": count,
        "clean": clean,
        "messages": sum(total.values()),
        "right": sum(good.values()),
        "longest_tokens": longest,
        "first_wrong_message": sorted(first),
        "by_step": {step: [good[step], total[step]] for step in sorted(total)},
        "wrong": shown[:12],
    }


def varied(rng: random.Random) -> tuple[Dialogue, Style]:
    dialogue = sample(rng, 42)
    return dialogue, style(rng, dialogue)


def brief_task(rng: random.Random) -> tuple[Dialogue, Style]:
    dialogue = sample(rng, 0)
    return dialogue, style(rng, dialogue)


def evaluate_folder(folder: Path, episodes: int, log: Callable[[str], None] = print) -> dict[str, Any]:
    """Writes evaluation.json: [right, all] per kind of step."""
    torch.set_num_threads(2)
    model, tokenizer = load_folder(folder)
    report = {
        "method": "teacher-forced greedy on the exported weights; unseen seeds",
        "retry_walks": measure(
            model, tokenizer, episodes, lambda rng: (probe_episode(rng, mix=RETRIES), PLAIN), SEED + 3
        ),
        "probe_walks": measure(model, tokenizer, episodes, lambda rng: (probe_episode(rng), PLAIN), SEED),
        "varied_walks": measure(model, tokenizer, max(episodes // 4, 10), varied, SEED + 1),
        "short_tasks": measure(model, tokenizer, 2 * episodes, brief_task, SEED + 2),
    }
    for name in ("retry_walks", "probe_walks", "varied_walks", "short_tasks"):
        part = report[name]
        log(
            f"{name}: {part['clean']}/{part['dialogues']} clean, {part['right']}/{part['messages']} messages right, "
            f"{json.dumps(part['by_step'])}"
        )
    (folder / "evaluation.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return report
