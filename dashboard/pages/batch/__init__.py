"""The Batch page: many files at once."""
