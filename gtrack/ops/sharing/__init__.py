"""Runs between clones: to and from remotes, each verb in a module of its own."""
