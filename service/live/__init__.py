"""Live sessions of a server: who has a place, and what is kept of them."""
