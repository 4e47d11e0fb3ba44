"""What happens to files, memory and results when the machine or the user gets in the way.

Each program proves a row of ``docs/reliability.md``; ``.ci/promises`` runs the quick form of all of them.
"""
