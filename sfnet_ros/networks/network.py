"""Backbone x head: the two tables that name them, and the network they make."""

from collections.abc import Callable
from functools import partial

from torch import nn, Tensor

from .context import SqueezeContext
from .dfnet import df1, df2
from .efficientnet_lite import efficientnet_lite0, efficientnet_lite1, efficientnet_lite2
from .layers import resize
from .resnet import resnet18, resnet50, resnet101
from .sfnet import SFNetHead
from .sfnet_lite import SFNetLiteHead
from .shufflenet import ShuffleNetV2
from .srnet import SRNetHead
from .stdc import stdc1, stdc2

BACKBONES: dict[str, Callable[..., nn.Module]] = {
    'resnet18': resnet18,
    'resnet50': resnet50,
    'resnet101': resnet101,
    'df1': df1,
    'df2': df2,
    'stdc1': stdc1,
    'stdc2': stdc2,
    'shufflenet_v2': ShuffleNetV2,
    'efficientnet_lite0': efficientnet_lite0,
    'efficientnet_lite1': efficientnet_lite1,
    'efficientnet_lite2': efficientnet_lite2,
}

Head = SFNetLiteHead | SFNetHead | SRNetHead
NETWORKS: dict[str, Callable[..., Head]] = {
    'sfnet_lite': SFNetLiteHead,
    'sfnet_lite_convgate': partial(SFNetLiteHead, gate='conv'),
    'sfnet': SFNetHead,
    'sfnet_dsn': partial(SFNetHead, deep_supervision=True),
    'sfnet_sr': partial(SFNetHead, context=SqueezeContext),
    'fpn': partial(SFNetHead, aligned=False),
    'srnet': SRNetHead,
}

_SRNET_BACKBONES = ('resnet50', 'resnet101')
# Every network and backbone that go together.
PAIRS: tuple[tuple[str, str], ...] = tuple(
    (network, backbone)
    for network in NETWORKS
    for backbone in (_SRNET_BACKBONES if network == 'srnet' else BACKBONES)
)

# Feature width of the decoder: that of the published weights where there are any.
_WIDTHS = {
    'resnet18': 128,
    'resnet50': 256,
    'resnet101': 256,
    'df1': 64,
    'df2': 64,
    'stdc1': 64,
    'stdc2': 64,
    'shufflenet_v2': 64,
    'efficientnet_lite0': 64,
    'efficientnet_lite1': 64,
    'efficientnet_lite2': 64,
}
_LITE_WIDTHS = _WIDTHS | {'df1': 128, 'df2': 128, 'stdc1': 128, 'stdc2': 128}
_SRNET_WIDTH = 512


class SegmentationNetwork(nn.Module):
    """A backbone and a head; logits at the input's own size."""

    def __init__(self, backbone: nn.Module, head: Head) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """
        Map normalised RGB images to logits.

        :param images: N x 3 x H x W float, mean and deviation of the model removed.
        :return: N x classes x H x W; the last upsampling is bilinear with corners aligned.
        """
        return resize(self.coarse_logits(images), images.shape[-2:])

    def coarse_logits(self, images: Tensor) -> Tensor:
        """Return the logits before the last upsampling: N x classes x h x w, float32."""
        return self.head(self.backbone(images)).float()

    def supervised_logits(self, images: Tensor, stride: int = 1) -> list[Tensor]:
        """
        Return the main and every auxiliary logits for the loss, float32.

        :param stride: each is N x classes x H/stride x W/stride, rounded up.
        """
        size = (-(-images.shape[2] // stride), -(-images.shape[3] // stride))
        return [resize(x.float(), size) for x in self.head.supervised(self.backbone(images))]


def create_network(network: str, backbone: str, num_classes: int = 19) -> SegmentationNetwork:
    """
    Build a network with random weights, in training mode.

    :param network: a key of ``NETWORKS``.
    :param backbone: a key of ``BACKBONES``.
    :raises ValueError: for an unknown name or a pair that does not exist.
    """
    if network not in NETWORKS:
        raise ValueError(f'network is {network!r}; expected one of {", ".join(NETWORKS)}')
    if backbone not in BACKBONES:
        raise ValueError(f'backbone is {backbone!r}; expected one of {", ".join(BACKBONES)}')
    if (network, backbone) not in PAIRS:
        raise ValueError(
            f'srnet runs on {" or ".join(_SRNET_BACKBONES)} at stride 8, not on {backbone}; '
            'sfnet_sr has squeeze reasoning on every backbone'
        )
    if network == 'srnet':
        body = BACKBONES[backbone](stride8=True)
        width = _SRNET_WIDTH
    else:
        body = BACKBONES[backbone]()
        widths = _LITE_WIDTHS if network.startswith('sfnet_lite') else _WIDTHS
        width = widths[backbone]
    return SegmentationNetwork(body, NETWORKS[network](body.channels, width, num_classes))
