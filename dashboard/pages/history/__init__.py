"""The History page: search, preview and export of analyses."""
