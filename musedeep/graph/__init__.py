"""What runs where: the plan as plain data, and its execution on dask."""
