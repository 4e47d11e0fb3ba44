"""The GPU: compiler, memory and kernel launches."""
