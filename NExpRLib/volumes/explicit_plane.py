"""A plane through the slice axis of a stack as an explicit function, evaluated with NumPy only."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..function.explicit_image import ExplicitImage
from ..function.samples import Samples, positions_of
from .explicit_volume import spline_matrix
from .slice_profile import AddedProfiles


@dataclass(frozen=True, eq=False)
class ExplicitPlane:
    """One of the planes that an isotropic volume is made of: by itself, without those that cross it.

    :ivar image: function of slices (rows) and pixels (columns).
    :ivar added: (n, w) profiles that are added; ``None`` for nothing.
    """

    image: ExplicitImage
    added: AddedProfiles | None = None

    @property
    def parts(self) -> list[NDArray]:
        """Arrays of coefficients."""
        return [*self.image.parts, *([self.added.missing] if self.added else [])]

    def rasterize(self, *, rows: Samples | ArrayLike, columns: Samples | ArrayLike) -> NDArray[np.float32]:
        """Evaluate the function.

        :param rows: positions along the slice axis, in slices.
        :param columns: positions in pixels of the plane.
        :return: float32 array (rows, columns).
        """
        result = self.image.rasterize(rows=rows, columns=columns)
        if self.added:
            missing, weights = self.added.missing, self.added.weights(positions_of(rows))
            result = result + weights @ (missing @ spline_matrix(positions_of(columns), missing.shape[1]).T)
        return result
