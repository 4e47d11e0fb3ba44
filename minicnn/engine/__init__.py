"""How a batch runs: memory, lane groups, recorded programs and the ways to run them."""
