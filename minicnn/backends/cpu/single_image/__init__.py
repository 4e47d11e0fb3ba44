"""Kernels for a group of one image: vectors lie along the rows of a map."""
