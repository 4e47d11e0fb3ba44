"""The second part of the manual of kernels: losses, updates of parameters, loading of images, distortions.

Legend: as in ``kernels.py``; D elements of an output, L images in memory; scale [1] = 1/N of the batch; value float64[1] the
loss.
"""

from __future__ import annotations

from typing import Protocol

from ..arrays import Array


class TrainingKernels(Protocol):
    """The kernels of a backend beside those of layers."""

    # --- losses: y, target, dy (D, L), labels (L,); padding lanes count nothing and get dy = hy = 0 ---

    def one_hot(self, labels: Array, lanes: Array, on_off: Array, target: Array) -> None:
        """target = on_off[0] at the label, on_off[1] elsewhere."""

    def count_hits(self, y: Array, labels: Array, lanes: Array, hits: Array) -> None:
        """hits += how many images have their (first) largest element at the label; none with a NaN, or where it is −1."""

    def count_least(self, y: Array, labels: Array, lanes: Array, hits: Array) -> None:
        """hits += how many images have their (first) smallest element at the label; none with a NaN, or where it is −1."""

    def penalty(self, y: Array, labels: Array, lanes: Array, scale: Array, value: Array) -> None:
        """value += scale · Σ y at the label."""

    def penalty_dy(self, labels: Array, lanes: Array, scale: Array, dy: Array) -> None:
        """dy = scale at the label, 0 elsewhere."""

    def map_penalty(self, y: Array, labels: Array, rubbish: Array, lanes: Array, scale: Array, value: Array) -> None:
        """value += scale · Σ (y at the label + log(e^−j + Σ e^−y)), j = rubbish[0]."""

    def map_shares(self, y: Array, rubbish: Array, p: Array) -> None:
        """p = e^−y / (e^−j + Σ e^−y)."""

    def map_penalty_dy(self, labels: Array, lanes: Array, scale: Array, dy: Array) -> None:
        """dy = scale · (1 at the label − p), where dy holds p, the shares, before."""

    def map_penalty_hy(self, lanes: Array, scale: Array, hy: Array) -> None:
        """hy = scale · p·(1 − p), where hy holds p before."""

    def mse(self, y: Array, target: Array, lanes: Array, scale: Array, value: Array) -> None:
        """value += scale/D · Σ (y − t)²."""

    def mse_dy(self, y: Array, target: Array, lanes: Array, scale: Array, dy: Array) -> None:
        """dy = 2·scale/D · (y − t)."""

    def mse_hy(self, lanes: Array, scale: Array, hy: Array) -> None:
        """hy = 2·scale/D, the second derivatives of mse."""

    def huber(self, y: Array, target: Array, delta: Array, lanes: Array, scale: Array, value: Array) -> None:
        """value += scale/D · Σ h(y − t), h(e) = e²/2 up to |e| = δ, and δ·(|e| − δ/2) beyond."""

    def huber_dy(self, y: Array, target: Array, delta: Array, lanes: Array, scale: Array, dy: Array) -> None:
        """dy = scale/D · (y − t), no further from 0 than scale/D · δ."""

    def huber_hy(self, y: Array, target: Array, delta: Array, lanes: Array, scale: Array, hy: Array) -> None:
        """hy = scale/D where |y − t| ≤ δ, else 0."""

    def cross_entropy(self, y: Array, labels: Array, smoothing: Array, lanes: Array, scale: Array, value: Array) -> None:
        """value −= scale · Σ q · log softmax(y), q the smoothed label."""

    def cross_entropy_dy(self, y: Array, labels: Array, smoothing: Array, lanes: Array, scale: Array, dy: Array) -> None:
        """dy = scale · (softmax(y) − q)."""

    def cross_entropy_hy(self, y: Array, lanes: Array, scale: Array, hy: Array) -> None:
        """hy = scale · p·(1 − p), p = softmax(y): the second derivatives of cross_entropy."""

    # --- with y, target (C, P, L): how much each of C classes weighs at each of P places; smoothing = s, a label to ignore ---

    def class_targets(self, labels: Array, weight: Array, smoothing: Array, lanes: Array, target: Array) -> None:
        """target[c] = w_c · (1 − s + s/C at the label, s/C elsewhere), 0 where it is no class or ignored; labels (P, L)."""

    def count_map_hits(self, y: Array, labels: Array, ignored: Array, lanes: Array, hits: Array) -> None:
        """hits += at how many places the (first) largest class is the label, not ignored[0], and none a NaN; labels (P, L)."""

    def smooth_targets(self, weight: Array, smoothing: Array, lanes: Array, target: Array) -> None:
        """target[c] = w_c · ((1 − s) · target[c] + s/C)."""

    def soft_cross_entropy(self, y: Array, target: Array, lanes: Array, scale: Array, value: Array) -> None:
        """value −= scale · Σ target · log softmax(y)."""

    def soft_cross_entropy_dy(self, y: Array, target: Array, lanes: Array, scale: Array, dy: Array) -> None:
        """dy = scale · (softmax(y) · Σ_c target − target)."""

    def soft_cross_entropy_hy(self, y: Array, target: Array, lanes: Array, scale: Array, hy: Array) -> None:
        """hy = scale · p·(1 − p) · Σ_c target, p = softmax(y)."""

    def bce_logits(
        self, y: Array, target: Array, weight: Array, positive: Array, lanes: Array, scale: Array, value: Array
    ) -> None:
        """value += scale/D · Σ w_c · (p_c · t · log(1 + e^−y) + (1 − t) · log(1 + e^y)), D = C·P, p = positive."""

    def bce_logits_dy(
        self, y: Array, target: Array, weight: Array, positive: Array, lanes: Array, scale: Array, dy: Array
    ) -> None:
        """dy = scale/D · w_c · ((1 − t + p_c·t) · σ(y) − p_c·t)."""

    def bce_logits_hy(
        self, y: Array, target: Array, weight: Array, positive: Array, lanes: Array, scale: Array, hy: Array
    ) -> None:
        """hy = scale/D · w_c · (1 − t + p_c·t) · σ(y)·(1 − σ(y))."""

    # --- with y, target (D, L) again ---

    def absolute(self, y: Array, target: Array, lanes: Array, scale: Array, value: Array) -> None:
        """value += scale/D · Σ |y − t|."""

    def absolute_dy(self, y: Array, target: Array, lanes: Array, scale: Array, dy: Array) -> None:
        """dy = scale/D · sign(y − t)."""

    def contrastive(self, y: Array, target: Array, margin: Array, lanes: Array, scale: Array, value: Array) -> None:
        """value += scale/D · Σ ((1 − t) · y²/2 + t · max(m − y, 0)²/2), m = margin."""

    def contrastive_dy(self, y: Array, target: Array, margin: Array, lanes: Array, scale: Array, dy: Array) -> None:
        """dy = scale/D · ((1 − t) · y − t · max(m − y, 0))."""

    # --- updates over flat vectors ---

    def sgd(self, p: Array, dp: Array, v: Array, hyper: Array) -> None:
        """One step of gradient descent; h = rate, momentum, Nesterov 0/1, weight decay, first step 0/1."""

    def sdlm(self, p: Array, dp: Array, r: Array, hyper: Array) -> None:
        """p −= rate · r · dp, a rate for each parameter; h = rate."""

    def adam(self, p: Array, dp: Array, m: Array, v: Array, hyper: Array) -> None:
        """One step of Adam; h = rate, β₁, β₂, ε, weight decay, 1 − β₁ᵗ, 1 − β₂ᵗ."""

    def adamw(self, p: Array, dp: Array, m: Array, v: Array, hyper: Array) -> None:
        """One step of AdamW; h as for adam."""

    def rmsprop(self, p: Array, dp: Array, v: Array, m: Array, u: Array, hyper: Array) -> None:
        """One step of RMSprop; h = rate, α, ε, weight decay, momentum, centred 0/1; m and u only for the last two."""

    def adagrad(self, p: Array, dp: Array, v: Array, hyper: Array) -> None:
        """v += g²; p −= rate · g / (√v + ε), g = dp + λp; h = rate, ε, weight decay λ."""

    def adadelta(self, p: Array, dp: Array, v: Array, u: Array, hyper: Array) -> None:
        """One step of Adadelta; h = rate, ρ, ε, weight decay."""

    def nadam(self, p: Array, dp: Array, m: Array, v: Array, hyper: Array) -> None:
        """One step of NAdam, p = keep·p − (a·g + b·m) / (√(v/c) + ε); h = a, b, β₁, β₂, ε, weight decay, keep, c."""

    def lion(self, p: Array, dp: Array, m: Array, hyper: Array) -> None:
        """p −= rate · (sign(β₁m + (1 − β₁)dp) + λp); then m = β₂m + (1 − β₂)dp; h = rate, β₁, β₂, weight decay λ."""

    # --- loading: lanes from images in memory, and back ---

    def choose_group(
        self,
        batch: Array,
        batch_labels: Array,
        count: Array,
        step: Array,
        number: Array,
        place: Array,
        index: Array,
        labels: Array,
        lanes: Array,
        rng: Array,
    ) -> None:
        """place, index, labels, lanes, rng = those of group number[0] of a batch of count[0] images."""

    def gather(self, x: Array, index: Array, lanes: Array, xl: Array) -> None:
        """xl[d, l] = x[index[l], d]; padding lanes 0."""

    def scatter(self, yl: Array, index: Array, lanes: Array, y: Array) -> None:
        """y[index[l], d] = yl[d, l] for the real lanes."""

    def gather_pixels(self, images: Array, affine: Array, index: Array, pad: Array, xl: Array) -> None:
        """xl[0, h + pad, w + pad, l] = affine[0] · images[index[l], h, w] + affine[1], affine[1] around."""

    def gather_resized(self, images: Array, affine: Array, index: Array, lanes: Array, xl: Array) -> None:
        """xl = affine[0] · (images, resized bilinearly) + affine[1]."""

    # --- distortions: u (elements, L) random numbers, maps (6, L), knots (2, G, G, L), y (1, H, W, L) ---

    def draw_uniform(self, seed: Array, rng: Array, index: Array, reach: Array, u: Array) -> None:
        """u[e, l] uniform in ±reach[e], a hash of (seed, stream), the step, the image index[l] and e."""

    def affine_inverse(self, u: Array, maps: Array) -> None:
        """maps[:, l] = o, A of source = o + A · target, from shifts, log scale, log squeeze, shear, rotation in u[:, l]."""

    def pack_quads(self, images: Array, index: Array, quads: Array) -> None:
        """quads[l, i, j] = the four pixels around the corner (i, j) of image index[l] in 32 bits, zeros around the image."""

    def spline_along(self, knots: Array, at: Array, taps: Array, bent: Array) -> None:
        """bent[axis, g, w] = the cubic spline along row g of the knots at pixel w: four from at[w], with weights taps[w]."""

    def warp(
        self, quads: Array, affine: Array, maps: Array, bent: Array, at: Array, taps: Array, where: Array, quad: Array, y: Array
    ) -> None:
        """y[0, h, w] = affine of the grey level, bilinearly, at o + A · (h, w) + the spline down the columns of bent."""

    # --- augmentations: x, y (C, H, W, L) grey levels in lanes, u (elements, L) random numbers of each lane ---

    def move_inverse(self, u: Array, chances: Array, maps: Array) -> None:
        """maps[:, l] = o, A of source = o + A · target, from two draws, shifts, rotation, scale and shears in u[:, l]."""

    def sample(self, x: Array, maps: Array, bent: Array, at: Array, taps: Array, fill: Array, y: Array) -> None:
        """y[c, h, w] = x[c], bilinearly, at o + A · (h, w) + the spline down the columns of bent; fill[0] outside."""

    def jitter(self, u: Array, greys: Array, x: Array) -> None:
        """x = b·x, then c·x + (1 − c) · the mean of Σ greys · x, then s·x + (1 − s) · Σ greys · x, clipped; x (C, P, L)."""

    def erase(self, u: Array, options: Array, fill: Array, x: Array) -> None:
        """x[c] = fill[c] in a random rectangle; options = chance, shares of the area, logarithms of height over width."""

    def draw_mix(self, u: Array, pool: Array, quantiles: Array, partner: Array, share: Array) -> None:
        """partner[l] = one of pool, by u[0, l]; share[l] = the quantile of u[1, l], between the given ones linearly."""

    def blend(self, other: Array, share: Array, x: Array) -> None:
        """x[d, l] = share[l] · x[d, l] + (1 − share[l]) · other[d, l]."""

    def cut_box(self, u: Array, size: Array, share: Array, box: Array) -> None:
        """box[:, l] = rows and columns of a box of 1 − share[l] of the area about a random pixel; share = what it leaves."""

    def paste(self, other: Array, box: Array, x: Array) -> None:
        """x[:, h, w, l] = other[:, h, w, l] within box[:, l]."""

    def mix_targets(self, labels: Array, index: Array, partner: Array, share: Array, target: Array) -> None:
        """target[:, l] = share[l] at labels[index[l]] plus 1 − share[l] at labels[partner[l]], 0 elsewhere."""
