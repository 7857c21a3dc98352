"""Which runs go: by rules, by hand, and for good; and how they come back."""
