"""`ChainedIdentity`: a base class with a logger, for user classes written against interpret-community."""

from __future__ import annotations

import logging
from typing import Any

__all__ = ["ChainedIdentity"]


class ChainedIdentity:
    """Gives objects ``_logger``, a child of the logger ``fastexplain``, and ``_identity``, their class's name."""

    def __init__(self, **kwargs: Any) -> None:
        self._identity = type(self).__name__
        self._logger = logging.getLogger("fastexplain").getChild(self._identity)
        super().__init__(**kwargs)
