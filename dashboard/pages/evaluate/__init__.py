"""The Evaluate page: how good the models are on a person's own labelled files."""
