"""Cases brought to their outcomes by supervised processes, on this machine, a dask cluster or Slurm.

What a case is stands in one module (`Job.module`): its `start` and three stages run in the computing processes, which
get plain values. A batch brings the module that enhances, a validation the one that measures. The work flows through
the modules here in this order:

    plan_file                   every case with its output and size, as the file of a plan
    selection, progress         cases that are still to be done, and the count of the others
    work                        the whole path
    job, engines                what the cases share, and the table of the engines that can do them:
      local_engine              this machine
      dask_engine               a dask cluster
      slurm_engine              a job array of Slurm
    places, deadlines           devices and memory of each process, and how long it may be silent
    supervise, slots            takes cases and sends them through processes; survives their deaths and hangs
    pipeline                    inside a process: one case is read, one enhanced and one written at a time
    outcome, verdict            what became of a case, and whether its gates are kept
    store, leases               what is kept in OUT/.medsr; leases, so that no case is done twice

The supervisor never touches a voxel, and a computing process never decides about a case: so either may die at any
moment. What is known of a run stands in the output folder, and the next run goes on from there.
"""
