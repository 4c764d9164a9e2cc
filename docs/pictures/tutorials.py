"""Make the pictures of the documentation, docs/images: run the commands of the tutorials, and keep what they draw.

    python -m docs.pictures.tutorials [DIRECTORY]

In DIRECTORY (default build/tutorials) remain the data of the tutorials.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image

from tests.docs.test_commands import TUTORIALS, lay_out, run_page
from tests.makers.places import ROOT

IMAGES = ROOT / "docs" / "images"
LARGEST = 150_000
"""Bytes of a picture."""


def shrink(source: Path, directory: Path = IMAGES) -> None:
    """A picture as WebP, of at most 1100 pixels and as good as LARGEST bytes allow."""
    picture = Image.open(source).convert("RGB")
    picture.thumbnail((1100, 1100), Image.Resampling.LANCZOS)
    target = directory / f"{source.stem}.webp"
    for quality in range(90, 40, -5):
        picture.save(target, quality=quality, method=6)
        if target.stat().st_size <= LARGEST:
            break
    print(f"{target} ({target.stat().st_size / 1000:.0f} kB, quality {quality})")


def main() -> None:
    """Run both tutorials in an empty directory, and draw the picture of the README."""
    directory = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build" / "tutorials").resolve()
    shutil.rmtree(directory, ignore_errors=True)
    lay_out(directory)
    for page in TUTORIALS:
        run_page(page, directory)
    subprocess.run([sys.executable, "demo/plot.py", "all", "demo.png"], cwd=directory, check=True)
    for picture in sorted(directory.glob("*.png")):
        shrink(picture)


if __name__ == "__main__":
    main()
