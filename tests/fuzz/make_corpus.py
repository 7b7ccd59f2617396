"""Write the inputs that fuzzing of artifacts begins with into ``corpus/``; what it finds is kept beside them."""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path

import numpy as np

from fastexplain.scoring.artifact import write

CORPUS = Path(__file__).parent / "corpus"
CONTENT = {"kind": "tree", "classes": ["no", 1, 2.5, None, True], "nested": {"é\n": [{}, [], '\\"']}}
ARRAYS = {
    "tree.left": np.arange(6, dtype=np.int32).reshape(2, 3),
    "flag": np.array([True, False]),
    "empty": np.zeros(0),
}


def _keep(target: str, name: str, data: bytes) -> None:
    (CORPUS / target).mkdir(parents=True, exist_ok=True)
    (CORPUS / target / name).write_bytes(data)


def main() -> None:
    """Write all of them."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for name, compressed in (("deflated", True), ("stored", False)):
            write(place / f"{name}.zip", CONTENT, ARRAYS, compressed=compressed)
            _keep("zip", name, (place / f"{name}.zip").read_bytes())
        write(place / "small.zip", {}, {"a": np.zeros(1, np.uint8)})
        _keep("zip", "small", (place / "small.zip").read_bytes())
        write(place / "whole", CONTENT, ARRAYS)
        manifest = (place / "whole" / "manifest.json").read_bytes()
    _keep("manifest", "canonical", manifest)
    _keep("manifest", "laid_out", json.dumps(json.loads(manifest), indent=1).encode())
    _keep(
        "manifest",
        "bare",
        b'{"format":"fastexplain-scoring","format_version":1,"created_with":{},"content":{},"arrays":{}}',
    )
    for code, values in (
        (0, np.array([True, False, True])),
        (4, np.arange(3)),
        (10, np.ones(3)),
        (3, np.arange(3, dtype="i4")),
    ):
        file = io.BytesIO()
        np.save(file, values)
        _keep("array", f"of_{values.dtype}", bytes([code, 0]) + file.getvalue())
    for number, shape in ((1, ()), (2, (0,)), (3, (2, 3)), (5, (5, 0))):
        file = io.BytesIO()
        np.save(file, np.ones(shape))
        _keep("array", f"shape_{number}", bytes([10, number]) + file.getvalue())


if __name__ == "__main__":
    main()
