"""governance.py - the price of governance: limits of the machine's memory against none.

Two runs of the same thing differ by more than that price, by where the scheduler
puts the processes. So there is one run, whose limits are changed (rudpstat --set)
while it goes on: a round is a turn of each side, in changing order, and "again" is
the first side's limits once more, to see how far two equal things are apart.
"""
import contextlib
import glob
import json
import subprocess
import time

from programs import BUILD, LO, OURS, Failed, Place, Program, free_port, nginx, wait_ready

TURN_S = 0.5
SETTLE_S = 0.02         # what is under way belongs to the side before
LONG_S = "3600"         # it is killed before
RUDPSTAT = f"{BUILD}/src/rudpstat/rudpstat"


def domain():
    text = subprocess.run([RUDPSTAT, "-j", "-d", Program.domain("rudp")], check=True,
                          stdout=subprocess.PIPE).stdout
    return json.loads(text)["domains"][0]


def limits():
    memory = domain()["memory"]
    own = " ".join(str(memory[k] * memory["page_size"]) for k in ("low", "pressure", "high"))
    return {"rudp": own, "huge": "1024G 1024G 1024G", "again": own}


def received():
    """Bytes, at both ends of all connections."""
    return sum(c["info"]["bytes_received"] for c in domain()["connections"]
               if c["state"] == "ESTAB")


def begun(client):
    for _ in range(1000):
        if received():
            return
        time.sleep(0.01)
    raise Failed(f"{client.argv[0]} does nothing: {client.errors()}")


def cpu_s(programs):
    """Of all their threads, as exactly as the scheduler counts it."""
    ns = 0
    for program in programs:
        for path in glob.glob(f"/proc/{program.process.pid}/task/*/schedstat"):
            with contextlib.suppress(OSError), open(path, encoding="ascii") as f:
                ns += int(f.read().split()[0])
    return ns / 1e9


def turn(side, mem, programs):
    subprocess.run([RUDPSTAT, "-d", Program.domain("rudp"), "--set", f"mem={mem[side]}"],
                   check=True, stdout=subprocess.DEVNULL)
    time.sleep(SETTLE_S)
    began, cpu, sum_before = time.perf_counter(), cpu_s(programs), received()
    time.sleep(TURN_S)
    ended, cpu, moved = time.perf_counter(), cpu_s(programs) - cpu, received() - sum_before
    if not moved:
        raise Failed(f"nothing moved in {TURN_S} s: {[p.errors() for p in programs]}")
    return {"MB/s": moved / 1e6 / (ended - began), "CPU s/GB": cpu / (moved / 1e9)}


def turns(rounds, programs):
    """Yields (round, side, values)."""
    mem = limits()
    for n in range(rounds):
        first = n % len(OURS)
        for side in OURS[first:] + OURS[:first]:
            yield n, side, turn(side, mem, programs)


@contextlib.contextmanager
def bulk(_):
    port = free_port()
    with Program("rudp", Place(LO), ["iperf3", "-s", "-1", "-p", port, "--forceflush"]) as server:
        server.line_with("Server listening")
        with Program("rudp", Place(LO), ["iperf3", "-c", LO, "-p", port, "-l", "128K", "-i", "1",
                                         "-t", LONG_S, "--forceflush"]) as client:
            client.line_with("bits/sec")
            yield server, client


@contextlib.contextmanager
def redis(directory, what):
    port = free_port()
    with Program("rudp", Place(LO), ["redis-server", "--port", port, "--save", "",
                                     "--appendonly", "no", "--dir", directory]) as server:
        server.line_with("Ready to accept")
        with Program("rudp", Place(LO), ["redis-benchmark", "-p", port, "-t", what, "-q", "-c",
                                         "30", "-n", "2000000000"]) as client:
            begun(client)
            yield server, client


@contextlib.contextmanager
def wrk(directory):
    port = free_port()
    with nginx("rudp", port, directory) as server:
        wait_ready("rudp", port, server)
        with Program("rudp", Place(LO), ["wrk", "-t", "1", "-c", "30", "-d", LONG_S,
                                         f"http://{LO}:{port}/page"]) as client:
            begun(client)
            yield server, client


CASES = {"bulk": (bulk, ()), "redis-set": (redis, ("set",)), "redis-get": (redis, ("get",)),
         "wrk": (wrk, ())}


def measure(name, directory, rounds):
    program, arguments = CASES[name]
    with program(directory, *arguments) as programs:
        yield from turns(rounds, programs)
