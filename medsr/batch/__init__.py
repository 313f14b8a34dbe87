"""Folders of scans enhanced: planned first, supervised, resumable at any moment, explained case by case.

The work flows through the modules in this order:

    recipe                      what is asked of every scan, its gates, how machines are used
    plan                        every scan as a case with its output and size, from headers alone
    run                         the whole path: `batch` for scripts, its parts for the command line and the viewer
    job                         a plan as the job of an engine (`medsr.engine`), which brings each case to its outcome
    stages                      inside a process: how a case is read, enhanced and written
    checks, thumbnails,         what the stages measure, draw and write besides
      sidecars
    reports, run_page,          index.html while the run goes on; run.json, cases.csv and junit.xml at its end
      run_files
    forecast                    how long a plan will take
"""
