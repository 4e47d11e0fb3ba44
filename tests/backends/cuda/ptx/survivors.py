"""Why mutants survive: what an unnoticed change leaves as it was."""

from __future__ import annotations

from .hunt import Finding

ZEROED = "Numba sets local arrays to zero where they are made, so what is not cleared is zero all the same."
DROPPED = "Numba sets local arrays to zero; the compiler sees that zeros are stored over zeros, and drops them."
ONE_COLUMN = "The partial sums have one column, so both are the same address, however many blocks there are."
NO_SIGN = "Of 0 both make 0; only −0 keeps its sign, and is equal to 0."

REASONS: dict[tuple[str, str], str] = {
    ("conv.conv2d_dx_kernel", "for i in range(size - 1): for j in range(width): t[i, j] = 0"): ZEROED,
    ("sparse_conv.sparse_conv2d_dW_kernel", "for i in range(links - 1): for j in range(taps): t[i, j] = 0"): ZEROED,
    ("gemm.clear", "for r in range(TALL - 1): for c in range(WIDE): t[r, c] = 0"): ZEROED,
    ("gemm.clear", "t[r + 1, c] = 0"): DROPPED,
    ("gemm.clear", "t[r, c + 1] = 0"): DROPPED,
    ("gemm.clear", "t[c, r] = 0"): DROPPED,
    ("loss.mse_kernel", "partials[0, cuda.blockIdx.x] = scale[0] * sums[0, 0] / D"): ONE_COLUMN,
    ("loss.cross_entropy_kernel", "partials[0, cuda.blockIdx.x] = scale[0] * sums[0, 0]"): ONE_COLUMN,
    ("loss.count_hits_kernel", "partials[0, cuda.blockIdx.x] = sums[0, 0]"): ONE_COLUMN,
    ("penalty.count_least_kernel", "partials[0, cuda.blockIdx.x] = sums[0, 0]"): ONE_COLUMN,
    ("elementwise.relu_kernel", "y[i] = y.dtype.type(0) if x[i] < 0 else x[i]"): NO_SIGN,
    ("rbf.rbf_hx_kernel", "hx.flat[n] = two * (two * bent + (zero if own <= zero else own))"): "Of 0 both make 0.",
    (
        "rbf.rbf_hx_kernel",
        "e = W.flat[i * D + n // L] - x.flat[n] bent += hy.flat[i * L + n % L] * e * e own += dy.flat[i * L + n % L]",
    ): "The difference is squared.",
    ("softmax.largest", "top = value if value >= top else top return top"): "Of two equal numbers either is the largest.",
}
"""By function and the changed line with the two below it, as the mutant has them."""


def explanation(finding: Finding) -> str:
    """Why, or that nobody knows."""
    return REASONS.get((finding.place, finding.mutant.lines), "**Not explained.**")
