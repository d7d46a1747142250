"""What pages are put together from: cards, headers, players, scales."""
