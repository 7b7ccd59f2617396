"""Progress bars on standard error: one way for all functions that may take long."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["is_watched", "progress"]

# Work that no one asked a bar for shows one after this many seconds.
PATIENCE = 1.0

Advance = Callable[[int], Any]


def is_watched() -> bool:
    """Whether a bar would be seen: standard error is a terminal, or this is a notebook."""
    if sys.stderr is not None and sys.stderr.isatty():
        return True
    shell = sys.modules.get("IPython")
    running = None if shell is None else shell.get_ipython()
    return running is not None and type(running).__name__ == "ZMQInteractiveShell"


@contextmanager
def progress(
    total: int | None, name: str, show: bool | None, *, unit: str = " rows", always: bool = False, leave: bool = True
) -> Iterator[Advance]:
    """A bar, or nothing; yields the function to call with the number of units done.

    Parameters
    ----------
    total : int or None
        Number of units, None where it is not known before the end.
    name : str
        What stands before the bar.
    show : bool or None
        None shows it once the work has taken a second.
    unit : str, default " rows"
    always : bool, default False
        With ``show=True``, also where no one seems to watch.
    leave : bool, default True
        The bar stays when the work is done.
    """
    if show is False or not (is_watched() or (always and show)):
        yield _ignore
        return
    from tqdm.auto import tqdm

    # disable: decided above, as tqdm itself takes a notebook for no terminal
    with tqdm(
        total=total, desc=name, unit=unit, unit_scale=True, delay=0 if show else PATIENCE, leave=leave, disable=False
    ) as bar:
        yield bar.update


def _ignore(_: int) -> None:
    return None
