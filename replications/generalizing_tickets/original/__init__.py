"""The command lines of the replication's and the fork's scripts, translated to runs here.

``flags``     the options of each script
``readers``   the values of options
``configs``   from options to run configs
``launch``    from a command line to finished runs, or to an evaluated file
``saving``    which checkpoints a run leaves, and under which names
``evaluation``  what ``test.py`` does
"""
