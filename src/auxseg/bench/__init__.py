"""How fast this machine trains and predicts, against its own limits and other people's code."""
