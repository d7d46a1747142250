"""Model families: one file for each architecture."""
