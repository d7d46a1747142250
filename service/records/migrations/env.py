"""Alembic's entry, on the connection that `service.records.database` hands over."""

from __future__ import annotations

from alembic import context

from service.records.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
