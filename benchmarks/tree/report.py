"""The benchmark's results as Markdown: a headline table for the project's README, and a table for each case."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import fill
from benchmarks.tree import rivals

__all__ = ["full", "headline", "write"]

BEGIN, END = "<!-- results: begin (filled by run.py --write) -->", "<!-- results: end -->"


def micro(run: dict[str, Any]) -> float:
    """Median microseconds per row; NaN if it was not timed."""
    return float(np.median(run["seconds"])) / run["rows"] * 1e6 if run["seconds"] else float("nan")


def headline(results: dict[str, Any]) -> str:
    """One line per case and number of threads: ours, the fastest rival, the ratio, the model's own prediction."""
    lines = [
        "| model | threads | float64 | float32 lanes | fastest rival | ratio, float64 | ratio, float32 | own predict |",
        "|---|--:|--:|--:|---|--:|--:|--:|",
    ]
    for case in results["cases"].values():
        for threads in sorted({run["threads"] for run in case["runs"] if run["ours"]}):
            double, single = (_ours(case, name, threads) for name in ("fastexplain", "fastexplain-f32"))
            rival = _fastest_rival(case, threads)
            named = f"{rival['competitor']}, {_number(micro(rival))}" if rival else "-"
            best = micro(rival) if rival else float("nan")
            predict = _best(case, "predict", threads)
            lines.append(
                f"| {case['case']} ({case['summary']}) | {threads} | {_number(double)} | {_number(single)} | {named} "
                f"| {_ratio(best, double)} | {_ratio(best, single)} | {_number(predict)} |"
            )
    return "\n".join([*lines, "", "Microseconds per row, median."])


def full(results: dict[str, Any]) -> str:
    """Everything: the machine, the headline, and each case in detail with its footnotes."""
    where = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    parts = [
        f"{where['cpu']}, {where['cpus']} CPUs ({', '.join(where['vectors']) or 'no wide vectors'}), "
        f"{where['system']}, Python {where['python']}; {versions}.{_isa(results)}",
        headline(results),
        _speedups(results),
        *(_details(case) for case in results["cases"].values()),
    ]
    return "\n\n".join(part for part in parts if part)


def write(results: dict[str, Any], path: Path) -> None:
    """Put `full` between the markers of a Markdown file.

    Raises
    ------
    ValueError
        The file lacks the markers.
    """
    fill(path, BEGIN, END, full(results))


# --- parts -----------------------------------------------------------------------------------------------------------


def _details(case: dict[str, Any]) -> str:
    d = case["description"]
    lines = [
        f"### {case['case']}: {case['summary']}",
        f"{d['trees']:,} trees, {d['leaves']:,} leaves, depth {d['max_depth']} at most and {d['mean_depth']:.1f} on "
        f"average, {d['mean_path_features']:.1f} distinct features per path, {d['features']} features; "
        f"{case['rows']:,} rows explained; {case['date']}.",
        "| | threads | rows | us/row | quartiles | vs ours | off by | sums off by | peak MB | prepare s | first s |\n"
        "|---|--:|--:|--:|---|--:|--:|--:|--:|--:|--:|",
    ]
    notes: list[str] = []
    rows = []
    for run in case["runs"]:
        ours = _ours(case, "fastexplain", run["threads"])
        rows.append(_row(run, case, ours, notes))
    lines[-1] += "\n" + "\n".join(rows)
    footnotes = "\n".join(f"{i}. {note}" for i, note in enumerate(notes, 1))
    return "\n\n".join([*lines, footnotes] if notes else lines)


def _row(run: dict[str, Any], case: dict[str, Any], ours: float, notes: list[str]) -> str:
    def mark(note: str) -> str:
        if note not in notes:
            notes.append(note)
        return f" [{notes.index(note) + 1}]"

    name = run["competitor"] + (f" [{run['isa']}]" if run["isa"] else "")
    if run["failed"]:
        reason = run["failed"].removeprefix("NotSupported: ").rstrip(".")
        return f"| {name}{mark(run['competitor'] + ': ' + reason + '.')} | {run['threads']} |" + " - |" * 9
    kind = rivals.COMPETITORS[run["competitor"]]
    if kind.note:
        name += mark(f"{run['competitor']}: {kind.note}.")
    if run["wrong"]:
        name += mark(f"{run['competitor']}: WRONG values here, so it does not count as a rival.")
    if run["rows"] < case["rows"]:
        name += mark("Slow: timed on fewer rows, quoted per row.")
    spread = "one call"
    if len(run["seconds"]) > 1:
        low, high = np.percentile(run["seconds"], [25, 75]) / run["rows"] * 1e6
        spread = f"{_number(low)}-{_number(high)}"
    cells = [
        f"{run['rows']:,}",
        _number(micro(run)),
        spread,
        _ratio(micro(run), ours),
        _small(run["max_difference"]),
        _small(run["additivity"]),
        f"{run['peak_bytes'] / 1e6:,.0f}",
        _number(run["prepare_seconds"]),
        _number(run["first_seconds"]),
    ]
    return f"| {name} | {run['threads']} | " + " | ".join(cells) + " |"


def _speedups(results: dict[str, Any]) -> str:
    lines = []
    for case in results["cases"].values():
        lines += [
            f"| {case['case']} | {s['competitor']} | {s['threads']} | {s['rows']:,} | {s['speedup']:.2f} |"
            for s in case["speedup"]
        ]
    if not lines:
        return ""
    return "\n".join(["| model | | threads | rows | speed-up over one thread |", "|---|---|--:|--:|--:|", *lines])


def _isa(results: dict[str, Any]) -> str:
    """Which instruction set ran where none was forced."""
    runs = [run for case in results["cases"].values() for run in case["runs"] if run["ran_isa"] and not run["isa"]]
    found = sorted({run["ran_isa"] for run in runs})
    return f" fastexplain ran with {', '.join(found)}." if found else ""


def _ours(case: dict[str, Any], name: str, threads: int) -> float:
    for run in case["runs"]:
        if run["competitor"] == name and run["threads"] == threads and not run["isa"] and not run["failed"]:
            return micro(run)
    return float("nan")


def _best(case: dict[str, Any], name: str, threads: int) -> float:
    """Fastest of a competitor's runs with up to so many threads: more of them do not always help."""
    found = [micro(r) for r in case["runs"] if r["competitor"] == name and r["threads"] <= threads and r["seconds"]]
    return min(found, default=float("nan"))


def _fastest_rival(case: dict[str, Any], threads: int) -> dict[str, Any] | None:
    able = [
        run
        for run in case["runs"]
        if not run["ours"]
        and run["competitor"] != "predict"
        and run["seconds"]
        and not run["failed"]
        and not run["wrong"]
    ]
    return min((run for run in able if run["threads"] <= threads), key=micro, default=None)


def _number(value: float) -> str:
    """Three digits, without exponents."""
    if np.isnan(value):
        return "-"
    if value >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}" if value >= 1e-3 else "<0.001"


def _ratio(theirs: float, ours: float) -> str:
    return "-" if np.isnan(theirs) or np.isnan(ours) else f"{_number(theirs / ours)}x"


def _small(value: float | None) -> str:
    return "-" if value is None else f"{value:.0e}"
