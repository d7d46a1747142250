"""The Models page: purpose, accuracy and cost of each model."""
