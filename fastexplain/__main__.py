"""``python -m fastexplain``: the same as the ``fastexplain`` command."""

from __future__ import annotations

import sys

from fastexplain.cli import main

if __name__ == "__main__":
    sys.exit(main())
