"""Class nouns that the name of a folder may end with: the classes of data sets of the field, and common things."""

from __future__ import annotations

import re

_OF_FIELD = """
backpack bear bird boat book bottle bowl boot butterfly can candle car cartoon cat chair clock cup dog doll duck
earring figurine fish flower glasses guitar house jacket lamp mug mushroom necklace person plant plate plushie robot
sculpture shoe sneaker statue sunglasses teapot toy turtle vase woman man
"""  # DreamBooth, Textual Inversion, CustomConcept101, CIFC, toybox
_OF_COCO = """
airplane apple backpack banana bear bed bench bicycle bird boat book bottle bowl broccoli bus cake car carrot cat chair
clock couch cow cup dog donut elephant fork frisbee giraffe handbag horse keyboard kite knife laptop microwave mouse
motorcycle orange oven person pizza refrigerator remote sandwich scissors sheep sink skateboard skis snowboard spoon
suitcase surfboard television tie toaster toilet toothbrush train truck umbrella vase zebra
"""
_OTHERS = """
bag ball barn bracelet bridge building bunny camera castle church coat coin cushion desk door dress drum garden hamster
hat helmet jar key kitten lighthouse monument mountain painting parrot pen phone piano pillow pot puppy purse rabbit
ring rug scarf ship shirt sofa stool table tower tree violin wallet watch windmill
"""
NOUNS = frozenset(
    (*_OF_FIELD.split(), *_OF_COCO.split(), *_OTHERS.split(), "teddy bear", "action figure", "houseplant")
)


def noun_in(name: str) -> str | None:
    """The noun that a name ends with, or the only one in it: ``cat`` in ``my-cat``, ``cat_2`` and ``cat photos``."""
    words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())
    for n in (2, 1):
        if (last := " ".join(words[-n:])) in NOUNS:
            return last
    found = sorted(NOUNS.intersection(words))
    return found[0] if len(found) == 1 else None
