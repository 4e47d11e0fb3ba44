"""Runs recorded programs without the interpreter, on several threads."""
