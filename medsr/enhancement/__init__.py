"""The enhancement of one scan, from a request to results and files.

- `settings`: `EnhanceSettings`, the request, with every default.
- `enhancement`: `enhance`, of one scan (`medsr.fusion.entry` is what scripts call); `result`: what it returns.
- `assumed`: how a scan was acquired, by settings, headers and voxels; `noise`: the noise that it holds.
- `floor`: raises what is darker than anything in the scan; `whole`: what every part of a scan takes from the whole.
- `piece`: a scan or part of a scan in one piece; `region` and `blocks` cut larger scans into parts, `memory` says how.
- `leading`: whether a model can do what is asked, and the classifier that leads its samples.
- `posterior`: posterior mean and samples; `consistency`: agreement with the scan to within its noise.
- `uncertainty`: the uncertainty map and its calibration.
- `envelope`: whether a scan is like those that the model was trained on.
- `estimate`: memory and time before a run.
- `files`: from file to file; `outputs`: targets, and writing that leaves all or nothing.
"""
