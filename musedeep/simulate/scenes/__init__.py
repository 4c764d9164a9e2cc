"""The scenes that the simulator knows by name, each made from a seed."""
