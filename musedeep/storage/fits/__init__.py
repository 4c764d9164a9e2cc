"""FITS files: headers, HDUs, images and tables, and what the field's files do to them."""
