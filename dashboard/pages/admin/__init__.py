"""What the operator sees and sets: tasks, speed, disk, verdicts by day, keys."""
