"""How good it is: quality-control parameters."""
