"""The ``fastexplain`` command: ``demo``, ``explain``, ``artifact``, ``info``.

Commands import what they need when they run, so that ``fastexplain --help`` answers at once.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence

from fastexplain.cli.arguments import build_parser
from fastexplain.cli.console import one_line, write_error

__all__ = ["main"]

USAGE_ERROR = 2  # what argparse itself exits with
INTERNAL_ERROR = 1
INTERRUPTED = 130  # 128 + SIGINT, as shells report it

# command -> "module:function"; a command takes the parsed arguments and returns the exit status
_COMMANDS = {
    "artifact": "fastexplain.cli.artifact:run",
    "demo": "fastexplain.cli.demo:run",
    "explain": "fastexplain.cli.explain:run",
    "info": "fastexplain.cli.info:run",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; ``sys.argv[1:]`` by default.

    Returns
    -------
    int
        0 on success, 2 where the arguments or the input are at fault, 1 where fastexplain is, 130 after Ctrl-C.

    Raises
    ------
    SystemExit
        From argparse: ``--help``, ``--version``, or arguments that cannot be parsed.
    """
    arguments = build_parser().parse_args(argv)
    try:
        return _command(arguments.command)(arguments)
    except KeyboardInterrupt:
        write_error("interrupted; no output file was left half-written.")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone (`fastexplain info | head -1`); keep Python from failing again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INTERNAL_ERROR
    except Exception as error:
        return _report(error, arguments)


def _command(name: str) -> Callable[[argparse.Namespace], int]:
    module, function = _COMMANDS[name].split(":")
    command: Callable[[argparse.Namespace], int] = getattr(importlib.import_module(module), function)
    return command


def _scarce(error: Exception, takes_batches: bool) -> str | None:
    """What the machine ran out of, and what to do; None for any other error."""
    text = one_line(error)
    if isinstance(error, MemoryError):
        detail = "" if text == "MemoryError" else f" ({text})"  # some raise it without a word
        batches = " Hold fewer rows at a time, with a smaller --batch-size." if takes_batches else ""
        return f"not enough memory{detail}.{batches}"
    # Python's threads, and those of the compiled libraries
    if isinstance(error, RuntimeError) and ("start new thread" in text or "Resource temporarily unavailable" in text):
        return f"the system starts no more threads for this process ({text}). Lower --n-threads, or raise the limit."
    return None


def _report(error: Exception, arguments: argparse.Namespace) -> int:
    from fastexplain.exceptions import FastExplainError

    if arguments.traceback or os.environ.get("FASTEXPLAIN_DEBUG"):
        traceback.print_exception(error)
    scarce = _scarce(error, takes_batches=hasattr(arguments, "batch_size"))
    if scarce is not None:
        write_error(scarce)
        return USAGE_ERROR
    # The classes that say "your input": a bad value, an unreadable file, a missing package.
    if isinstance(error, FastExplainError | ValueError | TypeError | OSError | ImportError):
        write_error(one_line(error))
        return USAGE_ERROR
    write_error(
        f"internal error: {type(error).__name__}: {one_line(error)}. "
        "Please report it, with the output of the same command under --traceback."
    )
    return INTERNAL_ERROR
