"""How Python functions become machine code, for which processor, and where it is kept."""
