"""What an analysis is made of: pydantic, versioned, without behavior of its own."""
