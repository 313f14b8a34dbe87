"""Cards: what a set of scans or a weights file is, in a form that a machine checks, renders and exports.

A data card is a folder with `card.md` (YAML front matter and prose) and `manifest.tsv` (one row a file). A model card
is a folder with `card.json` (from the weights and the result files, never typed), `template.md` (the prose) and
`card.md` (rendered). Nothing here runs a network.
"""
