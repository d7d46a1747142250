"""Live sessions of a server: capacity, cameras, and the records of ended sessions."""
