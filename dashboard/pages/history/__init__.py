"""The History page: find an analysis again, and forward it in two clicks."""
