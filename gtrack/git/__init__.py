"""What gtrack knows of git; nothing of runs."""
