"""Web pages as files, without a build step; they fetch nothing from elsewhere.

serve.html, serve.js   of ``auxseg serve``: predicts, and corrects the masks of a folder
alone.html, alone.js   of ``auxseg export --format web``: predicts in the browser itself
masks.js, page.css     what both share
"""

from pathlib import Path

#: Where they lie.
PAGES = Path(__file__).parent
