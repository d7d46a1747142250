"""A package, so that pytest opens one browser for all its files and closes it behind them."""
