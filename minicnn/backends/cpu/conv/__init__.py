"""Convolution over lanes: several algorithms for the convolution and its two gradients."""
