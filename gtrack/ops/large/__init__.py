"""Large artifacts, moved to and from remotes."""
