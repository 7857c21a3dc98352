"""A bare repository that guards runs and registry: its hook, and what it is set up with."""
