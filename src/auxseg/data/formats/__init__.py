"""Label formats of other tools → the folder layout, with everything told that was not plain.

=============  ==================================================================================
base           what a format is
coco … voc     one file a format
pairs          which picture is the mask of which photo; contents: what its pixels are
frames         in which frame and size labels were drawn; shapes: outlines → a mask
journal        what was decided, repaired, left out, unreadable
convert        a source → a folder; table: its labels.csv
=============  ==================================================================================
"""

from auxseg.data.formats.alpha import Alpha
from auxseg.data.formats.base import Format
from auxseg.data.formats.black_white import BlackWhite
from auxseg.data.formats.class_masks import ClassMasks
from auxseg.data.formats.coco import Coco
from auxseg.data.formats.colours import Colours
from auxseg.data.formats.cvat import Cvat
from auxseg.data.formats.indices import Indices
from auxseg.data.formats.labelme import LabelMe
from auxseg.data.formats.voc import Voc
from auxseg.data.formats.yolo import Yolo

#: All formats by name, those with files of their own before those that only pictures show.
FORMATS: dict[str, type[Format]] = {
    kind.NAME: kind
    for kind in (
        Coco,
        LabelMe,
        Cvat,
        Voc,
        Yolo,
        ClassMasks,
        Indices,
        BlackWhite,
        Colours,
        Alpha,
    )
}

__all__ = ["FORMATS", "Format"]
