"""Folders of scans enhanced: planned first, supervised, resumable at any moment, explained case by case.

The work flows through the modules in this order:

    recipe                      what is asked of every scan, its gates, how machines are used
    plan, plan_file             every scan as a case with its output and size, from headers alone
    run                         the whole path: `batch` for scripts, its parts for the command line and the viewer
    selection, progress         cases that are still to be done, and the count of the others
    job, engines                what the cases share, and the table of the engines that can do them:
      local_engine              this machine
      dask_engine               a dask cluster
      slurm_engine              a job array of Slurm
    supervise, slots            claims cases and sends them through processes; survives their deaths and hangs
    pipeline, stages            inside a process: one case is read, one enhanced and one written at a time
    checks, thumbnails,         what the stages measure, draw and write besides
      sidecars
    outcome, store, claims      what became of a case, kept in OUT/.medsr; leases, so that no case is done twice
    reports, run_page,          index.html while the run goes on; run.json, cases.csv and junit.xml at its end
      run_files
    forecast, memory            how long a plan will take, and the memory that each process may use

The supervisor never touches a voxel, and a computing process never decides about a case: so either may die at any
moment. What is known of a run stands in the output folder, and the next run goes on from there.
"""
