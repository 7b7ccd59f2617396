"""The log file that the environment variable INTERPRET_C_LOGS asks for."""

from __future__ import annotations

import logging
import os
from pathlib import Path

__all__ = ["log_to_file"]


def log_to_file() -> None:
    """Write fastexplain's log, level INFO, to the file that INTERPRET_C_LOGS names; its directory is made.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    path = os.environ.get("INTERPRET_C_LOGS")
    if not path:
        return
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, mode="w")  # closed by logging's own exit hook
    handler.setLevel(logging.INFO)
    logger = logging.getLogger("fastexplain")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    logger.info("Log of fastexplain, under interpret_community's names.")
