"""Why mutants survive: what an unnoticed change leaves as it was."""

from __future__ import annotations

REASONS: dict[str, str] = {
    "480e9a2c40f2": "2^63 bytes and 2^64 are both no bound: the largest array has 2^43 bytes.",
    "942647d8dac9": "Every task writes the number of its group before anything reads it.",
    "e2ae9ef39bab": "Any size will do: the call is made for its checks of ``output_size``, which do not look at it.",
    "a6e6aa6da2c9": "Of the words that are kept 160 letters are shown; the cut only keeps a long message from taking long.",
    "24cf516ebbd0": "A kind of batch that is remembered costs memory, and one that is forgotten time; no result changes.",
    "54a0e4141680": "A rank with one lot or none then has work space for two threads; that costs memory alone.",
    "aa8a260adebe": "Kernels write four numbers of each group; a fifth would only take memory.",
    "06c1ab7ef33a": "It is a distance: the other way round it is the same.",
    "dda2c44180bb": "NumPy takes any negative length, not -1 alone, for the one that is left.",
    "ef3f7f6c00c4": "NumPy takes any negative length, not -1 alone, for the one that is left.",
    "a7528940108e": "NumPy takes any negative length, not -1 alone, for the one that is left.",
    "85704bb3d4b7": "NumPy takes any negative length, not -1 alone, for the one that is left.",
    "14f40cee5a0b": "A test of ``tests/train/test_watch.py`` notices it; it executes no line of the file, so it is not tried.",
    "3108eb8fa898": "A test of ``tests/engine/test_single.py`` notices it; the minute of quicker tests ends before its turn.",
    "0dd53cccfe53": "So many rows of dy are turned at a time; any number gives the same sums.",
    "cd0a59485b9e": "So many images are turned at a time, at least those of a lot; more only take fewer turns.",
    "2ed53e34bb63": "For a range that begins at 0 the general form below gives the same; the first saves its divisions.",
    "917bd1e2fbfc": "A group has whole vectors, of two numbers or more, so the last one begins before the last number but one.",
    "387b1745a220": "So many rows are summed at a time, to stay in the cache; other blocks change the sums by rounding alone.",
}
"""By the key of the mutant."""
