"""
The jail for hooks: worker processes, the zygote that forks them, and the pool that hands them out.
"""
