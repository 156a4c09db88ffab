"""The data sets that timm lists."""

from typing import Any

CIFAR10 = CIFAR100 = FashionMNIST = ImageFolder = KMNIST = MNIST = Any
