"""The napari plugin of medsr (import name `medsr_napari`): docs/tutorials/napari.md shows what it does.

Above everything: modules here import from medsr, and nothing of medsr imports them. `layers`, `readers`, `writers`,
`outcomes`, `regions` and `curtain` know nothing of Qt; each `*_widget` is a form that calls medsr in a warm child
process (`background`) and shows what comes back. Importing the plugin takes neither torch nor monai with it, nor do its
widgets: the child has them.
"""
