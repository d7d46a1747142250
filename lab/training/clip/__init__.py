"""Training of the CLIP detector (`unmask train clip`). Begin at `run.train`."""
