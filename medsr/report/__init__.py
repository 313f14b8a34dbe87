"""The toolkit of reports, without a line on what is reported: validation, batch and cards bring their findings.

    blocks      tables and figures as data, and the cells that numbers become
    svg         small plots
    pages       the one Jinja environment for `templates`, and a page that its own policy binds to its text
    security    that policy
    pdf         an overview page as PDF
    text        tables for a terminal
    junit       JUnit XML for continuous integration
    niivue      the 3D viewer, unchanged, for pages that show volumes

Data become `blocks` and `svg`, a template lays them out, `pages.rendered` makes the bytes, and the caller writes them.
"""
