"""Autologging and callbacks for other libraries, one leaf each."""
