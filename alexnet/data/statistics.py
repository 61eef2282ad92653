"""The mean image and the principal components of RGB, exact: the same bits in whatever order they are summed."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alexnet.data.preparation import DEFAULT
from alexnet.errors import ConfigError

SWEEPS = 12  # of rotations; five leave nothing to do


@dataclass(frozen=True, eq=False)
class InputStatistics:
    """What the network's input is centred and recoloured with.

    All values are on the pixels' 0–255 scale, in RGB order. The covariance is the population covariance over
    all pixels of all images. `eigenvalues` are its variances in descending order; column i of `eigenvectors`
    belongs to eigenvalue i, and its largest component is positive. With 0 `images` only the mean is known: see
    `of_mean`.
    """

    mean_image: NDArray[np.float32]  # (side, side, 3), as the photographs
    covariance: NDArray[np.float64]  # (3, 3)
    eigenvalues: NDArray[np.float64]  # (3,)
    eigenvectors: NDArray[np.float64]  # (3, 3)
    images: int

    @property
    def deviations(self) -> NDArray[np.float64]:
        """The standard deviation along each principal component, (3,), descending."""
        return np.sqrt(self.eigenvalues)

    def check_side(self, side: int) -> None:
        """Raises ConfigError unless the mean image is one of photographs of `side` × `side` pixels."""
        if self.mean_image.shape != (side, side, 3):
            raise ConfigError(
                f"The mean image has shape {self.mean_image.shape}, but photographs of {side} × {side} pixels need one "
                f"of shape {(side, side, 3)}."
            )

    @classmethod
    def of_mean(cls, mean: ArrayLike, side: int = DEFAULT.side) -> Self:
        """Statistics that hold only a mean, of 0 images: with zeros for the components, which nobody has published.

        `mean` is an image (side, side, 3), or one RGB pixel (3,) that stands for a constant image. Raises ConfigError
        for another shape, or for values that are not finite.
        """
        found = np.asarray(mean, dtype=np.float32)
        if found.shape not in ((side, side, 3), (3,)) or not np.isfinite(found).all():
            raise ConfigError(
                f"A mean must be finite numbers of shape {(side, side, 3)}, or (3,) for a pixel, not {found.shape}"
                f"{'' if np.isfinite(found).all() else ' with NaN or infinity in it'}."
            )
        image = np.ascontiguousarray(np.broadcast_to(found, (side, side, 3)))
        return cls(image, np.zeros((3, 3)), np.zeros(3), np.eye(3), 0)


@dataclass(frozen=True, eq=False)
class Sums:
    """Integer sums over photographs; they add up to the same total in any grouping and order.

    Exact up to 2 × 10⁹ photographs of 256×256, where `products` could reach 2⁶³.
    """

    images: int
    pixels: NDArray[np.int64]  # (H, W, 3): over images
    products: NDArray[np.int64]  # (3, 3): of channel pairs, over images and pixels

    @classmethod
    def of(cls, photographs: Iterable[NDArray[np.uint8]], side: int) -> "Sums":
        """The sums over uint8 photographs of shape (side, side, 3)."""
        images = 0
        pixels = np.zeros((side, side, 3), dtype=np.int64)
        products = np.zeros((3, 3), dtype=np.int64)
        for photograph in photographs:
            images += 1
            pixels += photograph
            planes = photograph.reshape(-1, 3).T.astype(np.uint16, order="C")  # (3, H·W); 255² is below 2¹⁶
            for i, j in combinations_with_replacement(range(3), 2):
                total = np.add.reduce(planes[i] * planes[j], dtype=np.int64)
                products[i, j] = products[j, i] = products[i, j] + total
        return cls(images, pixels, products)

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(self.images + other.images, self.pixels + other.pixels, self.products + other.products)

    def statistics(self) -> InputStatistics:
        """The statistics of the photographs summed, of which there is at least one."""
        assert self.images > 0
        values = self.pixels[..., 0].size * self.images  # of one channel
        totals = [int(total) for total in self.pixels.sum(axis=(0, 1))]
        covariance = np.array(
            [  # Python's integers do not overflow, and their quotient is rounded correctly: once
                [(values * int(self.products[i, j]) - totals[i] * totals[j]) / values**2 for j in range(3)]
                for i in range(3)
            ]
        )
        eigenvalues, eigenvectors = principal_components(covariance)
        mean = (self.pixels / self.images).astype(np.float32)
        return InputStatistics(mean, covariance, eigenvalues, eigenvectors, self.images)


def principal_components(
    covariance: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The eigenvalues of a covariance (3, 3), descending, and the eigenvectors in columns, signs determined.

    The same bits on every machine, which LAPACK's are not: they are part of what tells one store from another. A
    variance that rounding made negative (grey photographs have two zero ones) is given as 0.
    """
    values, columns = _diagonal(covariance.tolist())
    order = sorted(range(3), key=lambda i: (-values[i], i))
    eigenvalues = np.maximum(np.array(values)[order], 0.0)
    eigenvectors = np.array(columns)[:, order]
    largest = np.abs(eigenvectors).argmax(axis=0)
    signs = np.sign(eigenvectors[largest, np.arange(3)])
    return eigenvalues, np.ascontiguousarray(eigenvectors * signs)


def _diagonal(a: list[list[float]]) -> tuple[list[float], list[list[float]]]:
    """Eigenvalues of a symmetric matrix (3, 3), and eigenvectors in columns, by Jacobi's rotations.

    Python's numbers, one operation after another, each rounded as IEEE 754 says: no library and no compiler has a say.
    """
    vectors = [[float(i == j) for j in range(3)] for i in range(3)]
    for _ in range(SWEEPS):
        for p, q in ((0, 1), (0, 2), (1, 2)):
            if a[p][q] == 0.0:
                continue
            half = (a[q][q] - a[p][p]) / (2 * a[p][q])  # the cotangent of twice the angle
            tangent = math.copysign(1.0, half) / (abs(half) + math.sqrt(half * half + 1))
            cosine = 1 / math.sqrt(tangent * tangent + 1)
            sine, moved, r = tangent * cosine, tangent * a[p][q], 3 - p - q
            a[p][p], a[q][q], a[p][q], a[q][p] = a[p][p] - moved, a[q][q] + moved, 0.0, 0.0
            a[r][p], a[r][q] = cosine * a[r][p] - sine * a[r][q], sine * a[r][p] + cosine * a[r][q]
            a[p][r], a[q][r] = a[r][p], a[r][q]
            for row in vectors:
                row[p], row[q] = cosine * row[p] - sine * row[q], sine * row[p] + cosine * row[q]
    return [a[i][i] for i in range(3)], vectors
