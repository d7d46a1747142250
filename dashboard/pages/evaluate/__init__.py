"""The Evaluate page: accuracy of the models on a person's own labelled files."""
