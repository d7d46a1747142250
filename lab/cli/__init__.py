"""Commands of `unmask` that the lab brings."""
