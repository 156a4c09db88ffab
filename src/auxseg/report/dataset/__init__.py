"""One page about a data set: what is there, what is broken, and photos to look at."""
