"""Two clips beside each other: how alike they are."""
