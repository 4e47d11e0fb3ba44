"""Convolution over lanes: the ways to compute it and its two gradients."""
