"""Seeded loss curves that a change of the code may not move."""
