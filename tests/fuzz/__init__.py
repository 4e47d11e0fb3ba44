"""Fuzzing of every reader. ``targets/`` has one reader a file, ``corpus/`` inputs that reach different code in it.

``test_fuzz.py`` tries some thousand inputs of each target; ``run.py`` tries a million, led by the code that they reach.
"""
