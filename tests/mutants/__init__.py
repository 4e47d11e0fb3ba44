"""Small faults put into the package: what tests are worth shows in whether they notice.

``cd tests && python -m mutants.hunt FOLDER`` makes 400 seeded mutants of ``nn``, ``engine`` and ``train`` and 100 of the CPU's
kernels, runs for each the tests that execute the changed line, the quickest first, until one fails, and goes on where it was
stopped. FOLDER keeps the copy of the repository that is changed, the tests that concern each line, and the results.
"""
