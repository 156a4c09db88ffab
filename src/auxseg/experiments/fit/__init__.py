"""From a folder of photos to a model to ship, in the time given.

========  ========================================================================================
plan      which size and how many steps a time allows
probe     how long a step takes here
interval  how far the measured IoU may be from that of other photos
verdict   what was found, and what would help most, in plain words
fit       one after another
========  ========================================================================================
"""
