"""Look twice: a person guesses over eight samples before the verdict is shown."""
