"""Which auxiliary tasks help: runs, paired differences, verdicts, one page."""
