"""The one transform that timm derives from."""


class ToTensor:
    pass
