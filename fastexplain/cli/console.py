"""Text for a terminal: errors and notes, number formats, and bars."""

from __future__ import annotations

import sys
from typing import TextIO

__all__ = [
    "WIDTH",
    "can_show",
    "clip",
    "one_line",
    "say",
    "seconds",
    "text_bar",
    "write_error",
    "write_note",
]

WIDTH = 100  # columns that the reports are laid out for

_EIGHTHS = " ▏▎▍▌▋▊▉█"


def say(text: str = "", stream: TextIO | None = None) -> None:
    """Write a line; characters that the stream's encoding lacks come out as ``?`` in place of an exception."""
    stream = stream or sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, errors="replace").decode(encoding) + "\n")
    stream.flush()


def write_error(message: str) -> None:
    """Write one ``fastexplain: error:`` line to stderr."""
    say(f"fastexplain: error: {message}", sys.stderr)


def write_note(message: str) -> None:
    """Write one ``fastexplain: note:`` line to stderr."""
    say(f"fastexplain: note: {message}", sys.stderr)


def one_line(error: BaseException) -> str:
    """Message of an exception on one line, or its class where it has none."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__


def can_show(characters: str, stream: TextIO | None = None) -> bool:
    """Whether the stream's encoding has these characters."""
    encoding = getattr(stream or sys.stdout, "encoding", None) or "ascii"
    try:
        characters.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def text_bar(fraction: float, width: int) -> str:
    """Return a bar that fills `fraction` of `width` characters: eighth blocks, or ``#`` where stdout has no blocks."""
    fraction = min(max(fraction, 0.0), 1.0)
    if not can_show(_EIGHTHS):
        return "#" * round(fraction * width)
    eighths = round(fraction * width * 8)
    return (_EIGHTHS[8] * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip()


def clip(text: str, width: int) -> str:
    """Cut text to `width` characters, marking the cut."""
    return text if len(text) <= width else text[: width - 2] + ".."


def seconds(duration: float) -> str:
    """Format a duration: ``2.6 ms``, ``0.31 s``, ``4.2 s``, ``83 s``."""
    if duration < 0.1:
        return f"{1000 * duration:.1f} ms"
    if duration < 1:
        return f"{duration:.2f} s"
    return f"{duration:.1f} s" if duration < 60 else f"{duration:.0f} s"
