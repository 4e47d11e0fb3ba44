"""Why mutants survive: what an unnoticed change leaves as it was."""

from __future__ import annotations

from .hunt import Finding

ZEROED = "Numba sets local arrays to zero where they are made, so what is not cleared is zero all the same."
DROPPED = "Numba sets local arrays to zero; the compiler sees that zeros are stored over zeros, and drops them."

REASONS: dict[tuple[str, str], str] = {
    ("conv.conv2d_dx_kernel", "range(size)"): ZEROED,
    ("sparse_conv.sparse_conv2d_dW_kernel", "range(links)"): ZEROED,
    ("gemm.clear", "range(TALL)"): ZEROED,
    ("gemm.clear", "t[r, c]"): DROPPED,
    ("loss.mse_kernel", "partials[cuda.blockIdx.x, 0]"): "The partial sums have one column, so both are the same address.",
    ("pointwise.relu_kernel", "x[i] <= 0"): "Of 0 both make 0; only −0 keeps its sign, and is equal to 0.",
    ("softmax.largest", "value > top"): "Of two equal numbers either is the largest.",
}
"""By function and changed code."""


def explanation(finding: Finding) -> str:
    """Why, or that nobody knows."""
    return REASONS.get((finding.place, finding.mutant.before), "**Not explained.**")
