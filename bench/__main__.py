"""`make bench`: every benchmark of this folder, with the options of each at their defaults."""

from __future__ import annotations

import sys

from bench import gateway, startup

if __name__ == "__main__":
    sys.exit(gateway.main() or startup.main())
