"""Training: two processes of one thread each (better than one of two on small matrices) on one set of shared weights.

The helper never waits: on a busy machine a step that waits for the slower of two gives its core away.
"""

from __future__ import annotations

import ctypes
import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
import torch.multiprocessing as mp
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn.functional import cross_entropy

from models.selftest.train import schedule
from models.selftest.train.batches import IGNORE, Batch, Source
from models.selftest.train.model import Config, Model
from models.selftest.train.optim import Optimiser

Log = Callable[[str], None]
STATS = 7
"""Per process: tokens; then loss, accuracy and number of batches of walks, and of short tasks."""


def new_model(tokenizer: Tokenizer) -> Model:
    torch.manual_seed(0)
    model = Model(Config(vocab=math.ceil(tokenizer.get_vocab_size() / 32) * 32))
    model.start_heads(0, (1, 2, 3))
    model.start_heads(1, (8, 5))
    return model


def loss_of(model: Model, batch: Batch) -> tuple[Tensor, float]:
    """Mean loss (nats per target token) and accuracy."""
    ids, targets = batch
    hidden = model.hidden(ids)[:, :-1]
    kept = targets != IGNORE
    logits = model.logits(hidden[kept])
    return cross_entropy(logits, targets[kept]), (logits.argmax(-1) == targets[kept]).float().mean().item()


def work(model: Model, source: Source, rank: int, progress: float, stats: Tensor) -> None:
    """One batch of short tasks (or of copying) and one of walks; adds to the gradients."""
    now = schedule.phase(progress)
    short = source.copying(now.short // 2) if now.copying else source.short(now.short // 2, now.brief)
    walks = source.walks(now.budget // 2, *now.calls, now.brief)
    for batch, weight, at in ((walks, 0.6, 1), (short, 0.4, 4)):
        loss, accuracy = loss_of(model, batch)
        (loss * weight).backward()
        stats[rank, 0] += batch[0].numel()
        stats[rank, at : at + 3] += torch.tensor([loss.item(), accuracy, 1.0], dtype=torch.float64)


def helper(model: Model, source: Source, shared: list[Tensor], lock, progress, stats: Tensor) -> None:
    """Works without waiting, on weights that change under it, and adds its gradients to the shared ones."""
    torch.set_num_threads(1)
    while progress.value < 1:
        work(model, source, 1, progress.value, stats)
        with lock:
            for parameter, gradient in zip(model.parameters(), shared, strict=True):
                gradient.add_(parameter.grad)
        for parameter in model.parameters():
            parameter.grad = None


def keep_memory() -> None:
    """Tells glibc to keep freed memory: without it a third of the time goes into page faults on big tensors."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and sys.platform == "linux":
        for option, value in ((-4, 0), (-1, 2**31 - 1), (-2, 64 << 20)):  # M_MMAP_MAX, M_TRIM_THRESHOLD, M_TOP_PAD
            mallopt(option, value)


def save(model: Model, path: Path, progress: float, tokens: int, steps: int) -> None:
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    part = path.with_suffix(".part")
    kept = {"config": asdict(model.config), "weights": weights, "progress": progress, "tokens": tokens, "steps": steps}
    torch.save(kept, part)
    part.replace(path)


def load(path: Path) -> tuple[Model, dict]:
    kept = torch.load(path)
    model = Model(Config(**kept["config"]))
    model.load_state_dict(kept["weights"])
    return model, kept


def train(tokenizer: Tokenizer, checkpoint: Path, minutes: float, resume: bool = False, log: Log = print) -> Model:
    """Trains for `minutes` of wall-clock time; writes the checkpoint every two minutes and at the end. `resume` goes
    on from the checkpoint's progress (without the optimiser's moments, so with a new warm-up of the rate)."""
    keep_memory()
    torch.set_num_threads(1)
    start, earlier, steps = 0.0, 0, 0
    model = new_model(tokenizer)
    if resume:
        model, kept = load(checkpoint)
        start, earlier, steps = kept["progress"], kept["tokens"], kept["steps"]
    model.share_memory()
    parameters = list(model.parameters())
    log(
        f"torch {torch.__version__}, python {sys.version.split()[0]}, vocabulary {tokenizer.get_vocab_size()}, "
        f"parameters {sum(p.numel() for p in parameters)}, {minutes} minutes, from progress {start:.3f}"
    )
    theirs = [torch.zeros_like(p).share_memory_() for p in parameters]
    stats = torch.zeros(2, STATS, dtype=torch.float64).share_memory_()
    fork = mp.get_context("fork")
    lock, progress = fork.Lock(), fork.Value("d", start)
    process = fork.Process(
        target=helper,
        args=(model, Source(tokenizer, 1002 + steps * 2), theirs, lock, progress, stats),
        daemon=True,
    )
    process.start()
    source, optimiser = Source(tokenizer, 1001 + steps * 2), Optimiser(model)
    saved = time.time()
    begun = saved - start * 60 * minutes
    step, tokens, before = 0, earlier, stats.clone()
    while (gone := (time.time() - begun) / (60 * minutes)) < 1:
        progress.value = gone
        work(model, source, 0, gone, stats)
        with lock:
            for parameter, gradient in zip(parameters, theirs, strict=True):
                parameter.grad.add_(gradient)
                gradient.zero_()
        optimiser.step(schedule.factor(gone, step))
        for parameter in parameters:
            parameter.grad = None
        step += 1
        tokens = earlier + int(stats[:, 0].sum())
        if step % 50 == 0:
            _, loss, right, walks, short_loss, short_right, shorts = (stats - before).sum(0).tolist()
            before = stats.clone()
            log(
                f"step {steps + step} {time.time() - begun:.0f} s, progress {gone:.3f}, "
                f"walk loss {loss / max(walks, 1):.4f} accuracy {right / max(walks, 1):.4f}, "
                f"short loss {short_loss / max(shorts, 1):.4f} accuracy {short_right / max(shorts, 1):.4f}, "
                f"{tokens / 1e6:.2f}M tokens, "
                f"rate {schedule.factor(gone, step):.3f}"
            )
        if time.time() - saved > 120:
            save(model, checkpoint, gone, tokens, steps + step)
            saved = time.time()
    progress.value = 1.0
    process.join()
    save(model, checkpoint, 1.0, tokens, steps + step)
    log(f"done: {steps + step} steps, {tokens} tokens, {time.time() - begun:.0f} s")
    return model
