"""Train the CLIP detector (`unmask train clip`, in `run.train`) and layers on its trunk."""
