"""Metrics of trained systems, and the tables that compare them."""
