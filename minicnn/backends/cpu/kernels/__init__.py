"""Kernels over lanes, one loop nest each. Convolutions are in a folder of their own."""
