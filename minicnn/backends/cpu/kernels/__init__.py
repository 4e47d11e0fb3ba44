"""Kernels over lanes: one loop nest each. Convolutions have a folder of their own."""
