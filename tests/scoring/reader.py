"""A reader of artifacts of tree ensembles, from docs/artifact_content.md alone: JSON, NumPy and nothing of ours."""

import json
from pathlib import Path

import numpy as np


def read(folder):
    manifest = json.loads((Path(folder) / "manifest.json").read_text(encoding="utf-8"))
    arrays = {name: np.load(Path(folder) / spec["file"]) for name, spec in manifest["arrays"].items()}
    return manifest["content"], arrays


def goes_left(arrays, model, node, x):
    if model["float32_input"]:
        x = float(np.float32(x))
    missing = np.isnan(x) or x == arrays["tree.missing_value"][0]
    if "tree.zero_is_missing" in arrays and arrays["tree.zero_is_missing"][node]:
        missing = missing or abs(x) <= float(np.float32(1e-35))
    if missing:
        return arrays["tree.default_left"][node]
    number = arrays["tree.category_set"][node] if "tree.category_set" in arrays else -1
    if number < 0:
        return x <= arrays["tree.threshold"][node]
    first, last = arrays["tree.category_set_offsets"][number : number + 2]
    return np.isfinite(x) and int(x) in arrays["tree.category_set_members"][first:last]


def raw_outputs(content, arrays, row):
    total = arrays["tree.base_offset"].copy()
    offsets = arrays["tree.tree_offsets"]
    for tree, root in enumerate(offsets[:-1]):
        node = root
        while arrays["tree.children_left"][node] >= 0:
            left = goes_left(arrays, content["model"], node, row[arrays["tree.feature"][node]])
            node = root + arrays["tree.children_left" if left else "tree.children_right"][node]
        values = arrays["tree.values"][node]
        if len(values) == len(total):
            total += values
        else:
            total[arrays["tree.tree_output"][tree]] += values[0]
    return total


def linked(answers, raw):
    if answers["link"] == "logistic":
        return 1 / (1 + np.exp(-answers["slope"] * raw))
    if answers["link"] == "softmax":
        return np.exp(raw - raw.max()) / np.exp(raw - raw.max()).sum()
    return {"identity": raw, "exp": np.exp(raw), "signed_square": np.sign(raw) * raw**2}[answers["link"]]


def predict(content, arrays, row):
    """Predictions of a regression; probabilities of a classifier."""
    outputs = linked(content["model"]["answers"], raw_outputs(content, arrays, row))
    if content["task"] == "classification" and len(outputs) == 1:
        return np.array([1 - outputs[0], outputs[0]])
    return outputs
