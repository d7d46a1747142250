"""Pydantic models of an analysis: versioned data without behavior."""
