"""Components of pages: cards, headers, players, scales, tables."""
