"""The operations of the CUDA backend; each plans its launches."""
