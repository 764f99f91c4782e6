"""
The consumer: the process that does the jobs. It alone has DBOS; nothing of an HTTP process or a command imports more of
this package than `lock`.
"""
