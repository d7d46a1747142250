"""Background tasks: queue, scheduling and the kinds of work."""
