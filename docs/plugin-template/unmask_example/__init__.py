"""An example: a family of models, an entry for it in catalog/, and a signal."""
