"""forks.py COUNT - what a fork costs a process with so many sockets, in microseconds:
the fork itself, and until the child has ended and was waited for."""
import os
import resource
import socket
import statistics
import sys
import time

count = int(sys.argv[1])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
ends = []
with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
    while len(ends) < count:
        near = socket.create_connection(listener.getsockname())
        ends += [near, listener.accept()[0]]
times, whole = [], []
for _ in range(100):
    begin = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        os.kill(os.getpid(), 9)     # no exit handler of anybody's is measured
    times.append(time.perf_counter() - begin)
    os.waitpid(pid, 0)
    whole.append(time.perf_counter() - begin)
print(statistics.median(times) * 1e6, statistics.median(whole) * 1e6)
