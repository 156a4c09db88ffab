"""Draws the pictures of ``shapes``: animals, textures, scenery, one painter."""
