"""The Cases page: analyses, links and notes that belong together, with an audit log."""
