"""Training of the models of consecutive frames."""
