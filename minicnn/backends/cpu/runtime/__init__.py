"""How recorded programs run without the interpreter, on several threads."""
