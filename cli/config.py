"""`unmask config`: environment variables and their values."""

from detector.config import as_text, get_config


def config() -> int:
    """List the environment variables that are read, and what they are set to. Those of the
    dashboard's server too: python -m service.config"""
    print(as_text(get_config()))
    return 0
