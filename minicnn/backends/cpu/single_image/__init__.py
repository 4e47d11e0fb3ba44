"""Kernels for a group of one image, with vectors along the rows of a map."""
