"""Make the pictures of the page on quality control: a made-up product with a misaligned exposure and a satellite.

python -m docs.pictures.quality
"""

import tempfile
from pathlib import Path

from docs.pictures.tutorials import shrink
from musedeep.quality.assess import measure
from musedeep.quality.figures.alignment import draw_alignment
from musedeep.quality.figures.product import deep_sheet
from musedeep.quality.figures.sheets import draw_sheet
from musedeep.quality.product_files import open_product
from musedeep.quality.ranges import read_ranges
from tests.makers.finished_campaign import finished_campaign
from tests.makers.raw_frames import extension, raw_image, write_raw


def main() -> None:
    """Draw the sheet of the cube and the evidence of misalignment."""
    with tempfile.TemporaryDirectory() as place:
        made = finished_campaign(Path(place), shifted={5: 0.7}, shape=(16, 160, 160), stars=16, pointing=0.03)
        raw = made.folder / made.record.exposures[0].raw
        raw.parent.mkdir()
        image = raw_image()
        image[100:104, 60:160] = 64000 - 130 * abs(110 - image[:4, :100].astype(int) % 100)
        write_raw(raw, [extension(image)])
        judged = measure(open_product(made.products[0]), read_ranges())
        assert judged.singles is not None and judged.conditions is not None
        sheet, evidence = Path(place) / "quality-sheet.png", Path(place) / "quality-alignment.png"
        draw_sheet(deep_sheet(judged), sheet)
        draw_alignment(judged.singles, judged.conditions.sources, judged.shifts, evidence)
        for picture in (sheet, evidence):
            shrink(picture)


if __name__ == "__main__":
    main()
