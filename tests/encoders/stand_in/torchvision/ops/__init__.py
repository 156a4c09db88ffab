"""Holds ``misc``."""
