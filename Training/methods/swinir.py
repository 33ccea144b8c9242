"""SwinIR for classical super-resolution, middle size (Liang et al. 2021, "SwinIR: Image Restoration Using Swin
Transformer"): 180 features, 6 blocks of 6 layers, 6 heads, windows of 8 pixels.

At 4x 11.9 M parameters and 53.5 G multiply-adds for 64 x 64 pixels; the NExpR paper's 50.5 G leave out the products of
queries, keys and values, and it prints the size in MiB (45.2).
"""

import torch
from torch import nn

from .upsampler import upsampler

WINDOW = 8


def to_windows(x):
    """(b, h, w, c) -> (b, windows, WINDOW^2, c)."""
    return x.unflatten(2, (-1, WINDOW)).unflatten(1, (-1, WINDOW)).transpose(2, 3).flatten(3, 4).flatten(1, 2)


def from_windows(windows, shape):
    """Inverse of :func:`to_windows`, for an image of ``shape`` (h, w)."""
    tiles = windows.unflatten(1, (shape[0] // WINDOW, -1)).unflatten(3, (WINDOW, WINDOW))
    return tiles.transpose(2, 3).flatten(1, 2).flatten(2, 3)


def shifted_window_mask(shape, device):
    """(windows, 1, WINDOW^2, WINDOW^2): 0 for pairs of pixels that the cyclic shift left together, else -100."""
    labels = []
    for size in shape:
        pixels = torch.arange(size, device=device)
        labels.append((pixels >= size - WINDOW).int() + (pixels >= size - WINDOW // 2).int())
    regions = to_windows((3 * labels[0][:, None] + labels[1])[None, :, :, None])[0, :, None, :, 0]
    return -100.0 * (regions[..., None] != regions[..., None, :])


class WindowAttention(nn.Module):
    """Multi-head self-attention within windows (b, n, WINDOW^2, c), with a bias for the relative position."""

    def __init__(self, features, heads):
        super().__init__()
        self.heads = heads
        self.to_query_key_value = nn.Linear(features, 3 * features)
        self.project = nn.Linear(features, features)
        self.position_bias = nn.Parameter(torch.empty((2 * WINDOW - 1) ** 2, heads))
        nn.init.trunc_normal_(self.position_bias, std=0.02)
        pixels = torch.cartesian_prod(torch.arange(WINDOW), torch.arange(WINDOW))
        row, column = (pixels[:, None] - pixels + WINDOW - 1).unbind(-1)
        self.register_buffer("position_index", row * (2 * WINDOW - 1) + column, persistent=False)

    def forward(self, x, mask):
        query, key, value = self.to_query_key_value(x).unflatten(-1, (3, self.heads, -1)).permute(3, 0, 1, 4, 2, 5)
        logits = query * query.shape[-1] ** -0.5 @ key.transpose(-2, -1)
        logits = logits + self.position_bias[self.position_index].movedim(-1, 0)
        if mask is not None:
            logits = logits + mask
        return self.project((logits.softmax(-1) @ value).transpose(2, 3).flatten(-2))


class SwinLayer(nn.Module):
    """Swin transformer layer on (b, h, w, c); while training, branches are left out at random (stochastic depth)."""

    def __init__(self, features, heads, shifted, drop_rate, expansion=2):
        super().__init__()
        self.shift = WINDOW // 2 if shifted else 0
        self.drop_rate = drop_rate
        self.norms = nn.ModuleList([nn.LayerNorm(features) for _ in range(2)])
        self.attention = WindowAttention(features, heads)
        self.mlp = nn.Sequential(
            nn.Linear(features, expansion * features), nn.GELU(), nn.Linear(expansion * features, features)
        )

    def forward(self, x, mask):
        windows = to_windows(self.norms[0](x).roll((-self.shift, -self.shift), (1, 2)))
        attended = self.attention(windows, mask if self.shift else None)
        x = x + self._drop(from_windows(attended, x.shape[1:3]).roll((self.shift, self.shift), (1, 2)))
        return x + self._drop(self.mlp(self.norms[1](x)))

    def _drop(self, branch):
        if not self.training or not self.drop_rate:
            return branch
        kept = 1 - self.drop_rate
        return branch * branch.new_empty(len(branch), 1, 1, 1).bernoulli_(kept) / kept


class ResidualSwinBlock(nn.Module):
    """RSTB: Swin layers, plain and shifted in turn, and a convolution, with a skip; on (b, h, w, c)."""

    def __init__(self, features, heads, drop_rates):
        super().__init__()
        self.layers = nn.ModuleList(
            [SwinLayer(features, heads, shifted=i % 2 == 1, drop_rate=rate) for i, rate in enumerate(drop_rates)]
        )
        self.convolution = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x, mask):
        y = x
        for layer in self.layers:
            y = layer(y, mask)
        return x + self.convolution(y.movedim(-1, 1)).movedim(1, -1)


class SwinIR(nn.Module):
    """(b, 1, h, w) -> (b, 1, h * scale, w * scale) on the field-of-view grid; one network per scale 2, 3, 4.

    Sizes that are no multiple of the window are continued at the far border.
    """

    def __init__(self, scale, features=180, depths=(6,) * 6, heads=6, drop_rate=0.1, reconstruction_features=64):
        super().__init__()
        self.scale = scale
        self.head = nn.Conv2d(1, features, 3, padding=1)
        self.first_norm, self.last_norm = nn.LayerNorm(features), nn.LayerNorm(features)
        rates = torch.linspace(0, drop_rate, sum(depths), device="cpu").split(depths)
        self.blocks = nn.ModuleList([ResidualSwinBlock(features, heads, part.tolist()) for part in rates])
        self.after_body = nn.Conv2d(features, features, 3, padding=1)
        self.tail = nn.Sequential(
            nn.Conv2d(features, reconstruction_features, 3, padding=1),
            nn.LeakyReLU(inplace=True),
            upsampler(reconstruction_features, scale),
            nn.Conv2d(reconstruction_features, 1, 3, padding=1),
        )
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)

    def forward(self, low):
        h, w = low.shape[-2:]
        low = nn.functional.pad(low, (0, -w % WINDOW, 0, -h % WINDOW), mode="replicate")
        mask = shifted_window_mask(low.shape[-2:], low.device)
        shallow = self.head(low)
        x = self.first_norm(shallow.movedim(1, -1))
        for block in self.blocks:
            x = block(x, mask)
        deep = shallow + self.after_body(self.last_norm(x).movedim(-1, 1))
        return self.tail(deep)[..., : h * self.scale, : w * self.scale]
