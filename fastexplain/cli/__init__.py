"""The ``fastexplain`` command: ``demo``, ``explain``, ``info``.

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
        return _report(error, show_traceback=arguments.traceback or bool(os.environ.get("FASTEXPLAIN_DEBUG")))


def _command(name: str) -> Callable[[argparse.Namespace], int]:
    module, function = _COMMANDS[name].split(":")
    command: Callable[[argparse.Namespace], int] = getattr(importlib.import_module(module), function)
    return command


def _report(error: Exception, *, show_traceback: bool) -> int:
    from fastexplain.exceptions import FastExplainError

    if show_traceback:
        traceback.print_exception(error)
    # The classes that say "your input": a bad value, an unreadable file, a missing package, too little memory.
    if isinstance(error, FastExplainError | ValueError | TypeError | OSError | ImportError | MemoryError):
        write_error(one_line(error))
        return USAGE_ERROR
    write_error(
        f"internal error: {type(error).__name__}: {one_line(error)}. "
        "Please report it, with the output of the same command under --traceback."
    )
    return INTERNAL_ERROR
