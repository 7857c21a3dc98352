"""Model directories in the MLmodel layout: written, read, loaded with the caller's trust, and asked for predictions."""
