"""Training of the sequence models on windows of consecutive frames."""
