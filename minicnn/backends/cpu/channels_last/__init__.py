"""Kernels for one image whose numbers lie pixel by pixel, (H, W, C), so that vectors hold channels or filters."""
