"""A child process that loads once and takes jobs; the engine and the viewer share it.

`parent.WarmWorker` starts the child, queues jobs, passes on what it reports and can stop it within a second; it imports
nothing slow. `child` runs in the process: it calls the `start` of a module, then does job after job of its table. The
two speak JSON lines on the standard streams.
"""
