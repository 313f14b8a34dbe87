"""The napari plugin of medsr (import name `medsr_napari`): docs/tutorials/napari.md shows what it does.

Above everything: modules here import from medsr, and nothing of medsr imports them. `layers`, `readers`, `writers`,
`outcomes`, `regions` and `curtain` know nothing of Qt; each `*_widget` is a form that calls medsr in a worker process
(`background`) and shows what comes back. Neither the plugin nor its widgets import PyTorch: the worker process does.
"""
