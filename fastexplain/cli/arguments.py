"""What the command line accepts."""

from __future__ import annotations

import argparse
from importlib.metadata import PackageNotFoundError, version
from typing import NoReturn

from fastexplain.cli.console import write_error

__all__ = ["build_parser", "package_version"]

_EXAMPLES = """\
examples:
  fastexplain demo
      train two models on real data, explain every row, and check the sums
  fastexplain explain --model model.txt --data rows.parquet --out shap.parquet
      Tree SHAP values of your own model and table, streamed batch by batch
  fastexplain artifact verify credit-risk/
      check that a saved scoring explainer is whole, without loading it
  fastexplain info
      the kernel, instruction set, threads and library versions in use
"""

_EXPLAIN_NOTES = """\
Columns are matched with the model's feature names, in any order; extra ones are ignored with a note. A model
without feature names takes the columns in the table's order, those of --target, --drop and --keep left out.
The values are in raw-output (margin) units: base value + values = the model's raw prediction.
"""


class _Parser(argparse.ArgumentParser):
    """Words its errors like the rest of the command: one sentence after ``fastexplain: error:``."""

    def error(self, message: str) -> NoReturn:
        write_error(f"{message} (see `{self.prog} --help`)")
        raise SystemExit(2)


def package_version() -> str:
    """Version of the installed package; a source tree that is only on the path has none."""
    try:
        return version("fastexplain")
    except PackageNotFoundError:
        return "unknown (not installed)"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line; `command` names the chosen command."""
    common = _Parser(add_help=False)
    common.add_argument("--traceback", action="store_true", help="on an error, show Python's traceback too")
    parser = _Parser(
        prog="fastexplain",
        description="Exact Tree SHAP values of scikit-learn, LightGBM and XGBoost models, about as fast as predicting.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"fastexplain {package_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_demo(commands, common)
    _add_explain(commands, common)
    _add_artifact(commands, common)
    commands.add_parser(
        "info",
        parents=[common],
        help="show the kernel, instruction set, threads and library versions in use",
        description="Show the kernel, instruction set, threads and library versions in use.",
    )
    return parser


def _add_demo(commands: argparse._SubParsersAction[_Parser], common: _Parser) -> None:
    demo = commands.add_parser(
        "demo",
        parents=[common],
        help="train two models on real data and explain every row",
        description=(
            "Train a LightGBM classifier (scikit-learn's breast-cancer data) and a regressor (336,776 flights out of "
            "New York), explain every row, check the sums, time it, and write pictures and Parquet files."
        ),
    )
    demo.add_argument("--out", default="demo-output", metavar="DIR", help="folder for the files (default: %(default)s)")
    demo.add_argument("--quick", action="store_true", help="20,000 flights and fewer trees: a few seconds")
    demo.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of the training rows and models (default: %(default)s)"
    )
    _add_threads(demo)
    _add_progress(demo)


def _add_explain(commands: argparse._SubParsersAction[_Parser], common: _Parser) -> None:
    explain = commands.add_parser(
        "explain",
        parents=[common],
        help="explain every row of a table with your own model",
        description="Explain every row of a table, in batches, and write the SHAP values as one Parquet file.",
        epilog=_EXPLAIN_NOTES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    files = explain.add_argument_group("files")
    files.add_argument(
        "--model",
        required=True,
        metavar="FILE",
        help=".txt: LightGBM; .json or .ubj: XGBoost; .pkl or .joblib: any supported model, with --allow-pickle",
    )
    files.add_argument(
        "--data", required=True, metavar="TABLE", help=".parquet (a file or a folder of them), .csv or .csv.gz"
    )
    files.add_argument("--out", required=True, metavar="FILE", help="the Parquet file to write")
    files.add_argument("--force", action="store_true", help="replace --out if it exists")
    files.add_argument(
        "--allow-pickle",
        action="store_true",
        help="load .pkl and .joblib models; loading one can run any code, so only from a source that you trust",
    )
    columns = explain.add_argument_group("columns (each takes one or more names)")
    columns.add_argument("--target", nargs="+", default=[], metavar="NAME", help="the target, which is not explained")
    columns.add_argument("--drop", nargs="+", default=[], metavar="NAME", help="other columns to leave out")
    columns.add_argument(
        "--keep", nargs="+", default=[], metavar="NAME", help="columns, such as keys, to carry through"
    )
    work = explain.add_argument_group("work")
    work.add_argument(
        "--batch-size",
        type=_positive,
        metavar="N",
        help="rows held at a time (default: 65,536, fewer where the values would take over 128 MiB)",
    )
    work.add_argument(
        "--dtype",
        choices=["float64", "float32"],
        help="precision of the kernel (default: float64; float32 for XGBoost, as it is)",
    )
    _add_threads(work)
    _add_progress(work)


def _add_artifact(commands: argparse._SubParsersAction[_Parser], common: _Parser) -> None:
    artifact = commands.add_parser(
        "artifact",
        help="show or verify a saved scoring explainer, without loading it",
        description="Show or verify a saved scoring explainer, a directory or a zip, without loading it.",
    )
    actions = artifact.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = actions.add_parser(
        "show",
        parents=[common],
        help="print what it says of itself: kind, id, features, versions, arrays",
        description="Print what an artifact says of itself: kind, id, features, versions, arrays.",
    )
    verify = actions.add_parser(
        "verify",
        parents=[common],
        help="check every file of it against the manifest",
        description="Check every file of an artifact against its manifest. Exit status: 0 if it is whole, 2 if not.",
    )
    verify.add_argument("--id", metavar="ID", help="the id that it must have, 64 hexadecimal digits")
    for action in (show, verify):
        action.add_argument("path", metavar="PATH", help="the directory or the zip")
        action.add_argument("--json", action="store_true", help="print JSON, for programs")


def _add_threads(group: argparse._ActionsContainer) -> None:
    group.add_argument("--n-threads", type=_positive, metavar="N", help="threads (default: all available CPUs)")


def _add_progress(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="show a progress bar (default: where stderr is a terminal)",
    )


def _positive(text: str) -> int:
    try:
        number = int(text.replace("_", "").replace(",", ""))
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a positive whole number, got {text!r}")
    return number
