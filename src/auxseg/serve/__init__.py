"""A web page in front of trained networks, and of a folder whose masks are corrected there.

========  ========================================================================================
limits    what a request may ask for
desk      one network at work at a time, a short queue, and a polite no
uploads   from the bytes of a request to a photo
answers   from a prediction to what a page can show
gallery   the photos of a folder, the least certain first, and saving masks
guard     who may ask: token, host, origin; bodies that are too large or too slow
app       the routes; the page's files lie in :mod:`auxseg.pages`
server    starts it, and ends it in order
========  ========================================================================================
"""
