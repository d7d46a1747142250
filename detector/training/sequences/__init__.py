"""Training of the sequence models and of VideoMAE on windows of consecutive frames."""
