"""The version, alone in its file: what depends on it need not import the package."""

__version__ = "0.1.0"
