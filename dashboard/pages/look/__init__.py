"""Look twice: a person guesses on eight samples before the verdict is shown."""
