"""Kernels on images of the CCDs."""
