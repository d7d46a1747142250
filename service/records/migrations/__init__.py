"""Alembic's steps of the records' tables."""
