"""What the numbers of a validation rest on, in words that every report carries."""

from __future__ import annotations

CONVENTION = (
    "Reference in RAS order, degraded by the named task over its own field of view. Mask: MR above 5 % of the 99th "
    "percentile, CT above -500 HU; largest component, holes filled, dilated by 2 voxels. Interior: more than 3 mm "
    "below the surface of the body (the mask before it is dilated); surface: the rest of the mask; edges: the tenth "
    "of the mask where the reference's gradient is the strongest. Data range R: MR 99.9th minus 0.1th percentile "
    "inside the mask, CT 2000 HU. PSNR = 10 log10(R^2 / mean squared error in the mask). SSIM: 3D Gaussian window, "
    "sigma 1.5, 11 wide, K1 0.01, K2 0.03, population covariance, mean over the mask. No intensity fit, no border "
    "crop. Residual: root mean square of scan minus degraded result over the scan's noise. Numbers of other "
    "publications compare only as gains over cubic under the same degradation."
)
PAIR_CONVENTION = (
    "Real pairs: not degraded, but brought to one unit: before any method works, the low scan becomes slope times it "
    "plus offset, by least squares of it over the degraded high scan on the low scan's grid (CT in HU is left alone); "
    "one coarse voxel at the faces of the shared part is left out. What the two scans differ in, their registration "
    "and noise included, counts as an error of every method."
)
