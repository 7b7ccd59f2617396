"""Makes flights.png from the picture that the demo draws, smaller: python docs/images/from_demo.py [demo-output]."""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

WIDTH = 1350
N_COLOURS = 256


def main(folder: Path) -> None:
    picture = Image.open(folder / "flights.png").convert("RGB")
    smaller = picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.Resampling.LANCZOS)
    smaller.quantize(N_COLOURS).save(Path(__file__).with_name("flights.png"), optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo-output"))
