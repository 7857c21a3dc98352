"""Promotions that are proposed in pull requests: written down, judged, carried out."""
