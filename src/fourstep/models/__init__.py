"""What is trained: the book's networks, one file per family."""

from fourstep.models.lenet import LeNet as LeNet
from fourstep.models.linear import LinearRegression as LinearRegression
from fourstep.models.linear import SoftmaxRegression as SoftmaxRegression
from fourstep.models.mlp import MLP as MLP
from fourstep.models.resnet import Residual as Residual
from fourstep.models.resnet import ResNet18 as ResNet18
