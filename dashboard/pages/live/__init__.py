"""The Live page: a camera in, a steady reading out."""
