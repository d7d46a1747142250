"""The Cases page: analyses, links and notes that belong together, and who did what."""
