"""Bytes to records and back; pure."""
