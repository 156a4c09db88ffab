"""The user's own photos: which files belong together, and what masks and tables say."""
