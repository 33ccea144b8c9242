"""Volumes for tests, made in MRML, and the same volumes for SimpleITK by an independent route."""

import numpy as np
import SimpleITK as sitk
import slicer

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])


def rotation(axis, degrees):
    """Right-handed rotation about a unit vector (Rodrigues)."""
    x, y, z = np.asarray(axis) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.deg2rad(degrees)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


DIRECTIONS = {
    "axial": np.diag([-1.0, -1.0, 1.0]),
    "sagittal": np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]),
    "coronal": np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]),
    "oblique": rotation([1, 2, 3], 25) @ np.diag([-1.0, -1.0, 1.0]),
    "left-handed": rotation([3, -1, 2], 40) @ np.diag([-1.0, 1.0, 1.0]),
}


def matrix_of(direction, spacing=(0.9, 1.1, 3.0), origin=(12.5, -33.0, 7.25)):
    matrix = np.eye(4)
    matrix[:3, :3] = DIRECTIONS[direction] * spacing
    matrix[:3, 3] = origin
    return matrix


def smooth_pixels(shape, dtype="float32", seed=0):
    """Random waves, about 0 to 1000."""
    rng = np.random.default_rng(seed)
    grid = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    total = sum(
        np.cos(sum(k * g for k, g in zip(rng.uniform(-1.2, 1.2, 3), grid)) + rng.uniform(0, 6)) for _ in range(6)
    )
    return (500 + 80 * total).astype(dtype)


def add_volume(pixels, matrix, name="Input"):
    return slicer.util.addVolumeFromArray(pixels, matrix, name)


def sitk_image(pixels, matrix):
    """The volume as SimpleITK sees it, in LPS."""
    image = sitk.GetImageFromArray(pixels)
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin((RAS_TO_LPS @ matrix[:3, 3]).tolist())
    image.SetDirection((RAS_TO_LPS @ (matrix[:3, :3] / spacing)).ravel().tolist())
    return image


def matrix_of_sitk(image):
    """IJK-to-RAS matrix of a SimpleITK image."""
    matrix = np.eye(4)
    direction = np.array(image.GetDirection()).reshape(3, 3)
    matrix[:3, :3] = RAS_TO_LPS @ direction * np.array(image.GetSpacing())
    matrix[:3, 3] = RAS_TO_LPS @ np.array(image.GetOrigin())
    return matrix


def matrix_of_node(volumeNode):
    matrix = slicer.util.vtkMatrixFromArray(np.eye(4))
    volumeNode.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def scene_content(scene):
    """Names, classes and MRML time stamps of all nodes, to see whether anything was touched."""
    nodes = [scene.GetNthNode(i) for i in range(scene.GetNumberOfNodes())]
    return [(node.GetID(), node.GetName(), node.GetMTime()) for node in nodes]
