"""The GPU: its compiler, its memory, its launches."""
