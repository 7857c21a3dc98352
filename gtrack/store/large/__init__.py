"""Large artifacts: copied and hashed at once, kept as Git LFS objects, sent to and fetched from where everybody finds them."""
