"""The whole program through its command line."""
