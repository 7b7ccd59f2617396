"""Results of `kernel_shap.py` as Markdown tables, as figures of merit, and as a plot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import fill
from benchmarks.kernel.shap_rivals import ESTIMATORS

__all__ = ["figures", "full", "plot", "write"]

BEGIN, END = "<!-- kernel shap: begin (filled by kernel_shap.py --write) -->", "<!-- kernel shap: end -->"
OURS, BASELINE, TARGET_BUDGET = "fastexplain", "shap-plain", "2n+2048"
# Errors below this are drawn and averaged as this: rounding says nothing about an estimator.
FLOOR = 1e-12
# Cells whose error is rounding have no say about intervals.
EXACT_ERROR = 1e-11
# Games of the plot, and what is drawn in it: label, colour, marker and width.
PLOTTED_GAMES = (
    "diabetes-xgb", "wine-mlp", "mixed-lgbm", "synthetic-mlp", "cancer-xgb", "cancer-svr",
    "digits-lgbm", "synthetic-101", "voting", "threshold", "noise-14", "multilinear-100",
)  # fmt: skip
STYLES: dict[str, tuple[str, str, float]] = {
    "fastexplain": ("#c0272d", "o", 2.6),
    "shap": ("#9e9e9e", "v", 1.3),
    "shap-plain": ("#333333", "s", 1.6),
    "shap-permutation": ("#7b5ea7", "D", 1.2),
    "shapiq": ("#a6cbe8", "^", 1.2),
    "shapiq-leverage": ("#2b7bba", "^", 1.4),
    "shapiq-odd": ("#1b9e77", "P", 1.4),
    "shapiq-proxy": ("#8cc152", "X", 1.2),
    "lightshap": ("#e6a117", "d", 1.2),
}


# --- figures ---------------------------------------------------------------------------------------------------------


def curve(game: dict[str, Any], estimator: str) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Budgets, evaluations and geometric means of the errors, in order of the evaluations."""
    cells = [cell for cell in game["cells"] if cell["estimator"] == estimator and not cell["failed"]]
    cells.sort(key=lambda cell: cell["evaluations"])
    errors = [float(np.exp(np.log(np.maximum(cell["errors"], FLOOR)).mean())) for cell in cells]
    return [cell["budget"] for cell in cells], np.array([cell["evaluations"] for cell in cells]), np.array(errors)


def evaluations_to_reach(evaluations: np.ndarray, errors: np.ndarray, target: float) -> tuple[float, str]:
    """Evaluations at which a curve first falls to `target`, and how that is known.

    Interpolated between logarithms; "<" before a curve that begins below the target; ">" before one that ends above it,
    which is continued as 1 / evaluations.
    """
    below = np.flatnonzero(errors <= target)
    if not len(below):
        return float(evaluations[-1] * errors[-1] / target), ">"
    k = int(below[0])
    if k == 0:
        return float(evaluations[0]), "<"
    x, y = np.log(evaluations[k - 1 : k + 1]), np.log(errors[k - 1 : k + 1])
    share = (y[0] - np.log(target)) / (y[0] - y[1])
    return float(np.exp(x[0] + share * (x[1] - x[0]))), ""


def figures(results: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """For each game that both played: evaluations of ours against the baseline's, and errors at equal budgets."""
    found = {}
    for name, game in results["games"].items():
        budgets, evaluations, errors = curve(game, OURS)
        their_budgets, theirs, their_errors = curve(game, BASELINE)
        if not budgets or not their_budgets:
            continue
        label = TARGET_BUDGET if TARGET_BUDGET in their_budgets else their_budgets[-1]
        at = their_budgets.index(label)
        needed, sign = evaluations_to_reach(evaluations, errors, their_errors[at])
        same = {b: errors[budgets.index(b)] / their_errors[i] for i, b in enumerate(their_budgets) if b in budgets}
        found[name] = {
            "kind": game["kind"],
            "budget": label,
            "target": float(their_errors[at]),
            "theirs": float(theirs[at]),
            "needed": needed,
            "sign": sign,
            "ratio": needed / float(theirs[at]),
            "overall": float(np.exp(np.mean(np.log(list(same.values()))))),
            "worst": float(max(same.values())),
            "worst at": max(same, key=lambda budget: same[budget]),
        }
        found[name]["chance"] = _chance(game, found[name]["worst at"])
    return found


def _chance(game: dict[str, Any], budget: str) -> float:
    """Factor that one standard error of the two mean logarithms makes of our error over the baseline's at a budget."""
    squares = 0.0
    for cell in game["cells"]:
        if cell["estimator"] in (OURS, BASELINE) and cell["budget"] == budget and len(cell["errors"]) > 1:
            squares += float(np.log(np.maximum(cell["errors"], FLOOR)).var(ddof=1)) / len(cell["errors"])
    return float(np.exp(np.sqrt(squares)))


def coverage(game: dict[str, Any], estimator: str = OURS) -> dict[str, float]:
    """Share of 95% intervals that hold the truth, by budget, where the values are estimates."""
    return {
        cell["budget"]: cell["covered"] / cell["intervals"]
        for cell in game["cells"]
        if cell["estimator"] == estimator and cell["intervals"] and np.median(cell["errors"]) > EXACT_ERROR
    }


# --- Markdown --------------------------------------------------------------------------------------------------------


def full(results: dict[str, Any]) -> str:
    """Everything: the machine, the figures, each game, the intervals, the timings."""
    where = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    parts = [
        f"{where['cpu']}, {where['system']}, Python {where['python']}; one thread each; {versions}.",
        _summary(results),
        _headline(results),
        _errors(results),
        _coverage(results),
        _overhead(results),
        _support_vectors(results),
    ]
    return "\n\n".join(part for part in parts if part)


def _summary(results: dict[str, Any]) -> str:
    found = figures(results)
    if not found:
        return ""
    lines = []
    for kind, title in (("model", "fitted models"), ("adversarial", "games made to be hard")):
        of_kind = {name: figure for name, figure in found.items() if figure["kind"] == kind}
        if not of_kind:
            continue
        ratios = [figure["ratio"] for figure in of_kind.values()]
        slowest = max(of_kind, key=lambda name: of_kind[name]["ratio"])
        overall = max(of_kind, key=lambda name: of_kind[name]["overall"])
        worst = max(of_kind, key=lambda name: of_kind[name]["worst"])
        cell = of_kind[worst]
        lines.append(
            f"- **{title}** ({len(of_kind)}): evaluations to reach the error of `shap l1_reg=False` at 2n+2048: "
            f"{np.median(ratios):.2f} of its own (median), {max(ratios):.2f} at most ({slowest}).\n"
            f"  Error at equal budgets, as a part of its: {of_kind[overall]['overall']:.2f} at most, in the mean of a "
            f"game's budgets ({overall}); {cell['worst']:.2f} in a single cell ({worst}, {cell['worst at']}; one "
            f"standard error is a factor of {cell['chance']:.2f})."
        )
        shares = [s for n, g in results["games"].items() if g["kind"] == kind for s in coverage(g).values()]
        if shares:
            lines.append(
                f"  95% intervals hold the truth {np.mean(shares):.3f} of the time; {min(shares):.2f} to "
                f"{max(shares):.2f} over games and budgets."
            )
    return "\n".join(lines)


def _headline(results: dict[str, Any]) -> str:
    lines = [
        "| game | n | fastexplain | shap l1_reg=False | best other rival | evaluations to match shap | of its |",
        "|---|--:|--:|--:|---|--:|--:|",
    ]
    for name, figure in figures(results).items():
        game = results["games"][name]
        at = {}
        for estimator in ESTIMATORS:
            budgets, _, errors = curve(game, estimator)
            if figure["budget"] in budgets:
                at[estimator] = errors[budgets.index(figure["budget"])]
        others = {e: error for e, error in at.items() if not ESTIMATORS[e].own and e != BASELINE}
        best = min(others, key=lambda e: others[e], default="")
        lines.append(
            f"| {name} | {game['features']} | {_power(at.get(OURS))} | {_power(at[BASELINE])} | "
            f"{f'{ESTIMATORS[best].label}, {_power(others[best])}' if best else '-'} | "
            f"{figure['sign']}{figure['needed']:,.0f} / {figure['theirs']:,.0f} | "
            f"{figure['sign']}{figure['ratio']:.2f} |"
        )
    note = "Relative squared errors with 2n+2048 coalitions (the largest budget below enumeration where that is more)."
    return "\n".join([*lines, "", note])


def _errors(results: dict[str, Any]) -> str:
    parts = []
    for name, game in results["games"].items():
        labels = list(dict.fromkeys(cell["budget"] for cell in game["cells"]))
        lines = [
            f"### {name}: {game['summary']}",
            "| | " + " | ".join(labels) + " | ms/row |\n|---|" + "--:|" * (len(labels) + 1),
        ]
        for estimator, kind in ESTIMATORS.items():
            cells = {cell["budget"]: cell for cell in game["cells"] if cell["estimator"] == estimator}
            if not cells:
                continue
            budgets, evaluations, errors = curve(game, estimator)
            shown = []
            for label in labels:
                if label in budgets:
                    at = budgets.index(label)
                    shown.append(f"{_power(errors[at])} ({evaluations[at]:,.0f})")
                else:
                    failed = cells[label]["failed"] if label in cells else ""
                    shown.append("failed" if failed and not failed.startswith("TooFew") else "-")
            # the largest budget's, where the estimator could use it
            seconds = [cells[label]["seconds"] for label in labels if label in budgets]
            cost = f"{1000 * seconds[-1]:.3g}" if seconds else "-"
            lines[1] += f"\n| {kind.label} | " + " | ".join(shown) + f" | {cost} |"
        parts.append("\n\n".join(lines))
    notes = [f"{kind.label}: {kind.note}." for kind in ESTIMATORS.values() if kind.note]
    legend = (
        "Geometric means of relative squared errors; in brackets the evaluations really made. ms/row: CPU time "
        "besides the model at the largest budget, several rows in one call. "
    )
    return "\n\n".join([*parts, legend + " ".join(notes)]) if parts else ""


def _coverage(results: dict[str, Any]) -> str:
    labels = list(dict.fromkeys(c["budget"] for g in results["games"].values() for c in g["cells"]))
    lines = ["### Intervals", "| game | " + " | ".join(labels) + " |\n|---|" + "--:|" * len(labels)]
    for name, game in results["games"].items():
        shares = coverage(game)
        if shares:
            cells = [f"{shares[label]:.2f}" if label in shares else "-" for label in labels]
            lines[1] += f"\n| {name} | " + " | ".join(cells) + " |"
    lines.append("Share of fastexplain's values +- 1.96 standard errors that hold the truth; -: the values are exact.")
    return "\n\n".join(lines) if "\n| " in lines[1] else ""


def _overhead(results: dict[str, Any]) -> str:
    if "overhead" not in results:
        return ""
    lines = ["| | settings | rows per call | evaluations | ms/row |", "|---|---|--:|--:|--:|"]
    lines += [
        f"| {ESTIMATORS[one['estimator']].label} | {one['settings']} | {one['rows']} | {one['evaluations']:,.0f} | "
        f"{1000 * one['seconds']:.3g} |"
        for one in results["overhead"]
    ]
    text = "CPU time outside the model: n = 15, 100 background rows, a smooth function that costs next to nothing."
    return "\n\n".join(["### Besides the model", text, "\n".join(lines)])


def _support_vectors(results: dict[str, Any]) -> str:
    if "support vectors" not in results:
        return ""
    found = results["support vectors"]
    lines = ["| | rows | ms/row | times ours | relative squared error |", "|---|--:|--:|--:|--:|"]
    ours = found["seconds"][OURS] / found["rows"][OURS]
    for name, seconds in found["seconds"].items():
        per_row = seconds / found["rows"][name]
        error = float(np.exp(np.log(found["errors"][name]).mean()))
        lines.append(
            f"| {ESTIMATORS[name].label} | {found['rows'][name]} | {1000 * per_row:.4g} | {per_row / ours:.3g} | "
            f"{error:.1e} |"
        )
    uncertainty = float(np.exp(np.log(found["errors"]["reference"]).mean()))
    text = (
        "Breast cancer, `SVC(gamma=0.001, C=100, probability=True)`, ten k-means background rows, probabilities of "
        f"both classes, the model's time included; fastexplain ran {found['method']}. Errors against a reference of "
        f"its own, whose relative squared error is about {uncertainty:.0e}."
    )
    return "\n\n".join(["### A slow classifier", text, "\n".join(lines)])


def _power(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1e}" if value > FLOOR else "exact"


def write(results: dict[str, Any], root: Path) -> None:
    """Fill benchmarks/README.md and draw docs/images/kernel_shap_accuracy.png."""
    fill(root / "benchmarks" / "README.md", BEGIN, END, full(results))
    path = root / "docs" / "images" / "kernel_shap_accuracy.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    plot(results, path)


# --- plot ------------------------------------------------------------------------------------------------------------


def plot(results: dict[str, Any], path: Path) -> None:
    """Error against evaluations, a panel for each game, both axes logarithmic."""
    from matplotlib.figure import Figure

    names = [name for name in PLOTTED_GAMES if name in results["games"]]
    columns = min(4, len(names))
    n_rows = -(-len(names) // columns)
    figure = Figure(figsize=(13, 2.75 * n_rows + 0.9), layout="constrained")
    axes = np.atleast_1d(figure.subplots(n_rows, columns)).ravel()
    lines: dict[str, Any] = {}
    for axis, name in zip(axes, names, strict=False):
        game = results["games"][name]
        for estimator, (colour, marker, width) in STYLES.items():
            _, evaluations, errors = curve(game, estimator)
            if len(evaluations):
                (lines[ESTIMATORS[estimator].label],) = axis.plot(
                    evaluations, errors, color=colour, marker=marker, markersize=4 + width, linewidth=width,
                    zorder=3 if ESTIMATORS[estimator].own else 2,
                )  # fmt: skip
        axis.set(xscale="log", yscale="log")
        axis.set_title(f"{name} ($n = {game['features']}$)", fontsize=13)
        axis.grid(alpha=0.25)
        axis.tick_params(labelsize=11)
        _plain_ticks(axis)
    for axis in axes[len(names) :]:
        axis.set_visible(False)
    figure.supxlabel("evaluations of the game per row", fontsize=13)
    figure.supylabel("relative squared error", fontsize=13)
    figure.legend(lines.values(), lines.keys(), loc="outside upper center", ncols=5, fontsize=12, frameon=False)
    figure.savefig(path, dpi=110)


def _plain_ticks(axis: Any) -> None:
    """Evaluations as numbers a reader would say, few enough not to touch."""
    low, high = axis.get_xlim()
    steps = [m * 10**k for k in range(1, 5) for m in (1, 2, 5) if low <= m * 10**k <= high]
    axis.minorticks_off()
    axis.set_xticks(steps, [f"{step // 1000}k" if step >= 1000 else str(step) for step in steps])
