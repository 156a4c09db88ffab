"""What timm imports of torchvision, and no more of it.

timm needs torchvision to read data. Its models do not, but importing one imports all. torchvision's
Linux wheel does not import beside a CPU-only torch, so the tests of the timm encoders put this
package on the path in its place. Nothing in here is ever called.
"""
