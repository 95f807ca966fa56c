"""`python -m models.selftest.train`: tokenizer, training, export and evaluation in one go."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from tokenizers import Tokenizer

from models.selftest.train.tokenizer import split_words, train_tokenizer
from models.selftest.train.train import train

HOME = Path(__file__).resolve().parent.parent
STAGES = ("tokenizer", "train", "export", "evaluate")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m models.selftest.train", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="wall-clock minutes of training")
    parser.add_argument("--work", type=Path, default=Path("/tmp/selftest-train"), help="checkpoint and new tokenizer")
    parser.add_argument("--out", type=Path, default=HOME, help="where the model files go")
    parser.add_argument("--stages", nargs="+", default=list(STAGES), choices=STAGES, help="which stages to run")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --work")
    parser.add_argument("--episodes", type=int, default=200, help="unseen walks of 42 calls to evaluate on")
    arguments = parser.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    work: Path = arguments.work
    work.mkdir(parents=True, exist_ok=True)

    def log(line: str) -> None:
        with (work / "training.log").open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        print(line, flush=True)

    if "tokenizer" in arguments.stages:
        (work / "training.log").unlink(missing_ok=True)
        tokenizer = train_tokenizer(work / "tokenizer.json")
        log(f"tokenizer: {tokenizer.get_vocab_size()} tokens, words of more than one token: {split_words(tokenizer)}")
    if "train" in arguments.stages:
        train(
            Tokenizer.from_file(str(work / "tokenizer.json")),
            work / "checkpoint.pt",
            arguments.minutes,
            arguments.resume,
            log,
        )
    if "export" in arguments.stages:
        from models.selftest.train.export import export

        export(work, arguments.out)
    if "evaluate" in arguments.stages:
        from models.selftest.train.evaluate import evaluate_folder

        evaluate_folder(arguments.out, arguments.episodes, log)


if __name__ == "__main__":
    main()
