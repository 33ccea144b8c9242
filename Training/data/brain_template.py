"""The MNI152 T1 brain template (1 mm) that nilearn carries: a real image without a download."""

import numpy as np
import SimpleITK as sitk

SLICE_SPACING = 5  # mm, as a 2D acquisition would have


def template_slices():
    """Axial slices of the template, 5 mm apart, as a volume with its true geometry."""
    from nilearn.datasets import load_mni152_template

    template = load_mni152_template(resolution=1)
    first, last = 30, 140  # where the brain is
    slices = np.asarray(template.dataobj, dtype=np.float32)[:, :, first:last:SLICE_SPACING]
    image = sitk.GetImageFromArray(np.ascontiguousarray(slices.transpose(2, 1, 0)))
    # nilearn gives positions in right-anterior-superior axes, SimpleITK uses left-posterior-superior ones.
    image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    origin = template.affine @ (0, 0, first, 1)
    image.SetOrigin((-origin[0], -origin[1], origin[2]))
    image.SetSpacing((1, 1, SLICE_SPACING))
    return image
