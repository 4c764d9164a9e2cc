"""One module a recipe of the manual: inputs, parameters, products, quality control."""
