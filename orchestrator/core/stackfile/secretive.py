"""What gives a secret away: the names of keys, variables and flags that hold one, and the look of known tokens."""

from __future__ import annotations

import re

SECRET_NAME = re.compile(
    r"(?:^|[_-])(?:api_?-?key|keys?|token|secret|password|passwd|passphrase|credentials?)$", re.IGNORECASE
)
"""Matches `key`, `HF_TOKEN`, `api-key`; not `max_tokens`, `TOKENIZERS_PARALLELISM`."""

SECRET_FLAG = re.compile(r"--?(?:api-?key|hf-?token|hft)(?:=|$)", re.IGNORECASE)
"""Flags of servers whose value is the secret itself; `--api-key-file` is none."""

SECRET_TEXT = re.compile(
    r"(?<=://)[^/@\s]+(?=@)"
    r"|\b(?:sk|pk|rk)-[A-Za-z0-9_-]{8,}|\bhf_[A-Za-z0-9]{8,}|\bgh[pousr]_[A-Za-z0-9]{8,}|\bgithub_pat_\w{8,}"
    r"|\bglpat-[\w-]{8,}|\bxox[abps]-[\w-]{8,}|\bAKIA[A-Z0-9]{12,}|\bAIza[\w-]{20,}|\beyJ[\w-]{10,}\.[\w.-]+"
    r"|(?i:(?<=[?&]key=)|(?<=[?&]api_key=)|(?<=[?&]token=))[^&\s\"']+"
)
"""Tokens by their prefix, and passwords inside a URL."""

LITERAL = "a secret itself must not be in stack.yaml"
