"""What whoever runs the server sees and sets: tasks, speed, disk, verdicts by day, keys."""
