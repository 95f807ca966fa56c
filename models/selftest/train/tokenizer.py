"""The tokenizer: byte-level BPE on synthetic dialogues, split at run time as Qwen2 splits.

Merges are learnt with a narrower split than the one used at run time: letters (with one leading `_`) stand alone, so no
merge ever joins a space, a quote or a hyphen to a word. ` otter`, `"otter` and `-otter` all end in the same one token,
which makes copying the same step everywhere. Digits are single tokens by the Qwen2 split itself.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from models.selftest.train.chat import segments
from models.selftest.train.dialogues import sample, style
from models.selftest.train.short import CITIES
from models.selftest.train.words import COMMON
from orchestrator.core.dialogue.wording import WORDS

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MARKERS = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<tools>", "</tools>")
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LEARN = r"_?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}_]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+|_"
WORD_COUNT = 4000
"""How often each word of the probe counts in the corpus, so that each becomes one token."""


def splitter(pattern: str) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def corpus(dialogues: int) -> list[str]:
    rng = random.Random(0)
    marks = re.compile("|".join(re.escape(mark) for mark in (*SPECIAL, *MARKERS)))
    texts: list[str] = []
    for _ in range(dialogues):
        dialogue = sample(rng, rng.choice([0, 0, 0, 2, 6]))
        text = "".join(segment.text for segment in segments(dialogue, style(rng, dialogue)))
        texts += [part for part in marks.split(text) if part]
    return texts


def train_tokenizer(path: Path, merges: int = 1000, dialogues: int = 2500) -> Tokenizer:
    """Writes tokenizer.json; 256 bytes + `merges` + the special tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.pre_tokenizer = splitter(LEARN)
    texts = corpus(dialogues)
    for word in (*WORDS, *CITIES, *COMMON):
        texts += [word] * (WORD_COUNT if word in WORDS else 40)
    trainer = trainers.BpeTrainer(
        vocab_size=256 + merges, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.pre_tokenizer = splitter(QWEN2)
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in SPECIAL])
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in MARKERS])
    path.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(path))
    return tokenizer


def split_words(tokenizer: Tokenizer) -> list[str]:
    """The probe's words that are not one and the same token after nothing, a space, a quote and a hyphen."""
    bad = []
    for word in WORDS:
        ends = [tokenizer.encode(lead + word, add_special_tokens=False) for lead in ("", " ", '"', "-", ' "')]
        if len({each.ids[-1] for each in ends}) > 1 or any(tokenizer.decode(each.ids[-1:]) != word for each in ends):
            bad.append(word)
    return bad


if __name__ == "__main__":
    made = train_tokenizer(Path("/tmp/selftest-tokenizer.json"))
    print(made.get_vocab_size(), split_words(made))
