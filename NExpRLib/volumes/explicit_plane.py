"""A plane through the slice axis of a stack as an explicit function, evaluated with NumPy only."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..function.explicit_image import ExplicitImage
from ..function.samples import Samples
from .explicit_volume import positions_of, spline_matrix
from .slice_profile import centered_profiles


@dataclass(frozen=True, eq=False)
class ExplicitPlane:
    """One of the planes that an isotropic volume is made of: by itself, without those that cross it.

    :ivar image: function of slices (rows) and pixels (columns).
    :ivar missing: float32 (n, w), what is added of the profile of each slice; ``None`` for nothing.
    :ivar slope, thickness, profile, step: of the profiles, see :class:`~.explicit_volume.ExplicitVolume`.
    """

    image: ExplicitImage = field(repr=False)
    missing: NDArray[np.float32] | None = field(default=None, repr=False)
    slope: NDArray[np.float64] | None = field(default=None, repr=False)
    thickness: float = 1.0
    profile: str = "super-gaussian"
    step: float = 0.0

    @property
    def parts(self) -> list[NDArray]:
        """Arrays of coefficients."""
        added = [self.missing] if self.missing is not None else []
        return [*self.image.parts, *added]

    def rasterize(self, *, rows: Samples | ArrayLike, columns: Samples | ArrayLike) -> NDArray[np.float32]:
        """Evaluate the function.

        :param rows: positions along the slice axis, in slices.
        :param columns: positions in pixels of the plane.
        :return: float32 array (rows, columns).
        """
        result = self.image.rasterize(rows=rows, columns=columns)
        if self.missing is not None and self.slope is not None:
            weights = centered_profiles(positions_of(rows), self.slope, self.thickness, self.profile, self.step)
            result = result + weights @ (self.missing @ spline_matrix(positions_of(columns), self.missing.shape[1]).T)
        return result
