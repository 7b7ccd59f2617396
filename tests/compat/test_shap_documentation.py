"""Code written for shap runs as it is after `install_as("shap")`, with shap installed and without it.

The code is in shap_documentation.md. All sections run in one fresh interpreter, each with names of its own: the name
"shap" belongs to the other tests here.
"""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

import pytest
from conftest import run_python

pytest.importorskip("matplotlib")
pytest.importorskip("pandas")

HERE = Path(__file__).parent
HIDE = "import fastexplain.compat.shap._installed as installed; installed.installed_package = lambda name: None"
RUN = """
import json, sys, traceback, warnings
import matplotlib; matplotlib.use("Agg")
import matplotlib.pyplot as plt
import fastexplain
{hide}
fastexplain.install_as("shap")
warnings.simplefilter("ignore")
results = {{}}
for title, blocks in json.loads({sections!r}).items():
    names, pictures = {{"__name__": title}}, 0
    try:
        for block in blocks:
            plt.close("all")
            exec(compile(block, f"<{{title}}>", "exec"), names)
            pictures += any(axes.has_data() for n in plt.get_fignums() for axes in plt.figure(n).axes)
        results[title] = pictures
    except Exception:
        results[title] = traceback.format_exc()
print("RESULTS" + json.dumps(results))
"""


def sections() -> tuple[dict[str, list[str]], set[str]]:
    """Title -> the blocks of a section, after those of the section it comes after; and those that need shap."""
    found: dict[str, list[str]] = {}
    needy = set()
    for part in re.split(r"^## ", (HERE / "shap_documentation.md").read_text(), flags=re.MULTILINE)[1:]:
        title = part.partition("\n")[0]
        before = re.search(r"^After: (.+)$", part, flags=re.MULTILINE)
        blocks = re.findall(r"^```python\n(.*?)^```", part, flags=re.MULTILINE | re.DOTALL)
        found[title] = (found[before[1]] if before else []) + blocks
        if re.search(r"^Needs: shap$", part, flags=re.MULTILINE):
            needy.add(title)
    return found, needy


SECTIONS, NEEDY = sections()
# picture-drawing blocks of each section
PICTURES = {title: sum("plot" in block and "html" not in block for block in SECTIONS[title]) for title in SECTIONS}


@functools.cache
def results(installed: bool) -> dict[str, int | str]:
    """Number of pictures that each section drew, or the traceback of its error."""
    chosen = {title: blocks for title, blocks in SECTIONS.items() if installed or title not in NEEDY}
    printed = run_python(RUN.format(hide="" if installed else HIDE, sections=json.dumps(chosen)))
    found: dict[str, int | str] = json.loads(printed.rpartition("RESULTS")[2])
    return found


@pytest.mark.parametrize("title", SECTIONS)
def test_with_shap_installed(title: str) -> None:
    pytest.importorskip("shap")
    assert results(True)[title] == PICTURES[title]


@pytest.mark.parametrize("title", [title for title in SECTIONS if title not in NEEDY])
def test_without_shap(title: str) -> None:
    assert results(False)[title] == PICTURES[title]
