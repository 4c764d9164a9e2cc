"""Static calibrations: published physics in small text tables, and the FITS files of manual A.2 made from them."""
