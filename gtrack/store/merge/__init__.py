"""Merge two states of the runs branch without a checkout."""
