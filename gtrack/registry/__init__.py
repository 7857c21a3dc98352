"""Model versions and stages as annotated git tags: their names, what follows from all of them, and how they are made."""
