"""Run directories: names, reading and writing; loading, measuring and counting a network."""
