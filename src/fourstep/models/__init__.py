"""What is trained: the book's networks, one file per family."""

from fourstep.models.alexnet import AlexNet as AlexNet
from fourstep.models.batchnorm import BatchNorm as BatchNorm
from fourstep.models.batchnorm import BatchNormLeNet as BatchNormLeNet
from fourstep.models.densenet import DenseBlock as DenseBlock
from fourstep.models.densenet import DenseNet as DenseNet
from fourstep.models.googlenet import GoogLeNet as GoogLeNet
from fourstep.models.googlenet import Inception as Inception
from fourstep.models.lenet import LeNet as LeNet
from fourstep.models.linear import LinearRegression as LinearRegression
from fourstep.models.linear import SoftmaxRegression as SoftmaxRegression
from fourstep.models.mlp import MLP as MLP
from fourstep.models.nin import NiN as NiN
from fourstep.models.resnet import Residual as Residual
from fourstep.models.resnet import ResNet18 as ResNet18
from fourstep.models.table import TableNet as TableNet
from fourstep.models.vgg import VGG as VGG
