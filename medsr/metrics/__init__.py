"""Two scans in, numbers and maps out; no files, no scanners, no networks.

`table` lists every number of a validation, with the function that measures it. `error` fixes the mask and the data
range and measures in them, `structure` is SSIM, `edges` and `sharpness` look at the finest detail, `resolution` and
`bands` at the spectrum, `fidelity` compares with what was measured, `artefacts` are shifts and combs, `prior`,
`tissue`, `blobs` and `patches` serve the hallucination tests, `uncertainty` judges a stated deviation, `statistics`
sums up over subjects, `gates` holds limits. docs/reference/metrics.md has every formula and what it can't see.
"""
