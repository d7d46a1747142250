"""An example: a family of models, an entry for it in models.toml, and a signal."""
