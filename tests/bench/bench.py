"""bench.py - librudp against kernel TCP, in one run, in interleaved rounds.

Each case runs once per side and round; what is printed are medians, and the
medians of the rounds' ratios. Figures of different runs or machines must not be
compared, ratios may.

  BENCH_RUNS=5        rounds
  BENCH_ONLY=a,b      groups or cases whose name begins so (BENCH_LIST=1 lists)
  BENCH_SECONDS=2     length of a throughput measurement
  BENCH_SIDES=...     of rudp, huge (no limits), again, tcp, bbr; "same" is kernel TCP once more,
                      "again" librudp, to see what the bench itself makes of nothing
  BENCH_OUT=bench     results go to bench.tsv and bench.json here
  PRELOAD=...         the library

CPU is user and system time of both ends' processes, per 10^9 bytes received; on
the lossy paths of the link's, too, which is who runs the kernel's TCP there (a
packet written to a TUN device is received, and answered, in that write).
"""
import csv
import glob
import json
import os
import pwd
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import governance
from programs import (BUILD, LO, OURS, PRELOAD, PROBE, Failed, Place, Program, free_port,
                      nginx, wait_ready)

RUNS = int(os.environ.get("BENCH_RUNS", "5"))
SECONDS = int(os.environ.get("BENCH_SECONDS", "2"))
ONLY = [x for x in os.environ.get("BENCH_ONLY", "").split(",") if x]
OUT = os.path.abspath(os.environ.get("BENCH_OUT", "bench"))
HERE = os.path.dirname(os.path.abspath(__file__))
PINGPONG = f"{BUILD}/tests/bench/pingpong"
MANY = f"{BUILD}/tests/e2e/many"
RELAY = f"{BUILD}/tests/e2e/relay"
LIMIT_S = 120           # no single measurement takes so long


# --- the stage ----------------------------------------------------------------------

class Veth:
    """Two namespaces, ours and another's, and a veth pair between them."""
    near, far = "10.77.0.1", "10.77.0.2"

    def __init__(self, offloads):
        self.holder = subprocess.Popen(["unshare", "-n", "sleep", "infinity"])
        self.enter = ["nsenter", "-t", str(self.holder.pid), "-n"]
        # sleep is in its namespace once its own differs from ours.
        while os.readlink(f"/proc/{self.holder.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
            time.sleep(0.01)
        self.command("ip link add v0 type veth peer name v1")
        self.command(f"ip link set v1 netns {self.holder.pid}")
        self.command(f"ip addr add {self.near}/24 dev v0")
        self.command("ip link set v0 up")
        self.command(f"ip addr add {self.far}/24 dev v1", far=True)
        self.command("ip link set v1 up", far=True)
        self.command("ip link set lo up", far=True)
        if not offloads:
            self.command(f"{sys.executable} -B {HERE}/offload.py v0 off")
            self.command(f"{sys.executable} -B {HERE}/offload.py v1 off", far=True)

    def command(self, text, far=False):
        subprocess.run((self.enter if far else []) + text.split(), check=True)

    def places(self):
        return Place(self.near), Place(self.far, self.enter)

    def close(self):
        subprocess.run(["ip", "link", "del", "v0"], check=False)
        self.holder.kill()
        self.holder.wait()


class Loopback:
    def places(self):
        return Place(LO), Place(LO)

    def close(self):
        pass


class Link:
    """A path that loses: a TUN device behind which we meet ourselves."""
    near, far, port = "10.79.0.1", "10.79.0.2", "5301"

    def __init__(self, out, congestion):
        self.env = ["env", f"RUDP_CONGESTION={congestion}"]
        self.relay = subprocess.Popen(
            [RELAY, "-d", "bench0", "-p", self.port, "-o", out, "-i", "delay=20ms"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.relay.stdout.readline()
        for text in (f"ip addr add {self.near}/24 dev bench0", "ip link set bench0 up"):
            subprocess.run(text.split(), check=True)

    def places(self):
        return Place(self.near, self.env), Place(self.far, self.env)

    def cpu(self):
        with open(f"/proc/{self.relay.pid}/stat", encoding="ascii") as f:
            user, system = f.read().rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def close(self):
        self.relay.terminate()
        self.relay.wait()


# --- measurements: each returns {metric: value} ----------------------------------------

def bulk(stage, side, streams, extra):
    client_at, server_at = stage.places()
    port = getattr(stage, "port", None) or free_port()
    link_cpu = getattr(stage, "cpu", lambda: 0)
    before = link_cpu()
    congestion = {"tcp": ["-C", "cubic"], "same": ["-C", "cubic"],
                  "bbr": ["-C", "bbr"]}.get(side, [])
    with Program(side, server_at, ["iperf3", "-s", "-1", "-p", port, "--forceflush"]) as server:
        server.line_with("Server listening")
        with Program(side, client_at,
                     ["iperf3", "-c", server_at.address, "-p", port, "-J", "-t", str(SECONDS),
                      "-P", str(streams), *congestion, *extra]) as client:
            report = json.loads(client.output())
            if "error" in report:
                raise Failed(report["error"])
            total = report["end"]["sum_received"]
            server.output()
            cpu = client.cpu() + server.cpu() + link_cpu() - before
            return {"Gbit/s": total["bits_per_second"] / 1e9,
                    "CPU s/GB": cpu / (total["bytes"] / 1e9)}


def latency(stage, side, cpus):
    client_at, server_at = stage.places()
    with Program(side, server_at, [PINGPONG, "server"], cpu=cpus[0]) as server:
        port = server.line_with(r"port (\d+)")[1]
        with Program(side, client_at, [PINGPONG, "client", server_at.address, port,
                                       "20000", "64"], cpu=cpus[1]) as client:
            median, p99 = map(float, client.output().split())
    return {"median us": median, "p99 us": p99}


def connections(stage, side, count=5000):
    client_at, server_at = stage.places()
    with Program(side, server_at, [PINGPONG, "closer", str(count)]) as server:
        port = server.line_with(r"port (\d+)")[1]
        with Program(side, client_at, [PINGPONG, "opener", server_at.address, port,
                                       str(count)]) as client:
            return {"conn/s": float(client.output())}


def redis(_, side, clients, pipeline):
    port = free_port()
    with Program(side, Place(LO), ["redis-server", "--port", port, "--save", "",
                                   "--appendonly", "no", "--dir", tmp]) as server:
        server.line_with("Ready to accept")
        rates = {}
        requests = SECONDS * (10000 if clients == 1 and pipeline == 1 else
                              100000 if pipeline == 1 else 500000)
        with Program(side, Place(LO), ["redis-benchmark", "-p", port, "-t", "get,set", "--csv",
                                       "-n", str(requests), "-c", str(clients),
                                       "-P", str(pipeline)]) as client:
            for row in csv.reader(client.output().splitlines()):
                if row and row[0] in ("GET", "SET"):
                    rates[f"{row[0]}/s"] = float(row[1])
            server.end()
            rates["CPU us/request"] = (client.cpu() + server.cpu()) / (2 * requests) * 1e6
    return rates


def wrk(_, side, clients, workers=0, close=False):
    """nginx in one process, or with so many workers; a connection for each request."""
    port = free_port()
    with nginx(side, port, tmp, workers) as server:
        wait_ready(side, port, server)
        with Program(side, Place(LO), ["wrk", "-t", "1", "-c", str(clients), "-d",
                                       str(SECONDS), *(["-H", "Connection: close"] if close else []),
                                       f"http://{LO}:{port}/page"]) as client:
            text = client.output()
        if workers:
            server.process.terminate()      # or they would outlive it
            server.wait()
    if "Socket errors" in text or "Non-2xx" in text:
        raise Failed(re.search("(Socket errors|Non-2xx).*", text)[0])
    return {"requests/s": float(re.search(r"Requests/sec:\s*([\d.]+)", text)[1])}


def kernel_kib():
    """Kernel objects, and shared memory, which is where arenas are."""
    with open("/proc/meminfo", encoding="ascii") as f:
        values = {k: int(v.split()[0]) for k, v in (line.split(":") for line in f)}
    return values["Slab"], values["Shmem"]


def idle(_, side, count=4000):
    port = free_port()
    with Program(side, Place(LO), [MANY, "server", port]) as server:
        wait_ready(side, port, server)
        slab, shm = kernel_kib()
        with Program(side, Place(LO), [MANY, "hold", LO, port, str(count)],
                     stdin=subprocess.PIPE) as client:
            client.line_with("held")
            slab_held, shm_held = kernel_kib()
            client.process.stdin.close()
            client.wait()
    return {"kernel KiB": (slab_held - slab) / count,
            "shared KiB": max(shm_held - shm, 0) / count,
            "total KiB": (slab_held - slab + shm_held - shm) / count}


def forks(_, side, count):
    with Program(side, Place(LO), [sys.executable, "-B", f"{HERE}/forks.py", str(count)]) as program:
        fork, whole = map(float, program.output().split())
    return {"fork us": fork, "fork to wait us": whole}


def accepts(_, side, openers=4, count=8000):
    """Callers at once: how fast one process accepts them from its queue."""
    with Program(side, Place(LO), [PINGPONG, "closer", str(count)]) as server:
        port = server.line_with(r"port (\d+)")[1]
        began = time.perf_counter()
        callers = [Program(side, Place(LO), [PINGPONG, "opener", LO, port, str(count // openers)])
                   for _ in range(openers)]
        for c in callers:
            c.output()
        server.wait()
        return {"accept/s": count / (time.perf_counter() - began)}


def postgres_account():
    """(directory of programs, what makes them another user's), if it can be had."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    try:
        pwd.getpwnam("postgres")
    except KeyError as e:
        raise Failed("no user postgres") from e
    if not found or os.getuid():
        raise Failed("no PostgreSQL, or not root")
    return found[-1], ["runuser", "-u", "postgres", "--"]


def postgres(_, side, again):
    """A process for each connection; again: and a connection for each transaction."""
    programs, become = postgres_account()
    data, port = tempfile.mkdtemp(prefix="rudp-bench-pg."), free_port()
    shutil.chown(data, "postgres")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(become + [f"{programs}/initdb", "-D", f"{data}/d", "-A", "trust", "--no-sync"],
                   check=True, **quiet)
    pgbench = become + [f"{programs}/pgbench", "-h", LO, "-p", port]
    try:
        with Program(side, Place(LO), become + [
                f"{programs}/postgres", "-D", f"{data}/d", "-p", port, "-k", data,
                "-c", "fsync=off"]) as server:
            wait_ready(side, port, server)
            with Program(side, Place(LO), pgbench + ["-i", "-q", "postgres"]) as client:
                client.output()
            with Program(side, Place(LO), pgbench + [
                    "-n", "-S", "-c", "8", "-T", str(SECONDS), *again, "postgres"]) as client:
                text = client.output()
            with open(f"{data}/d/postmaster.pid", encoding="ascii") as f:
                os.kill(int(f.readline()), signal.SIGINT)
            server.wait()
    finally:
        shutil.rmtree(data)
    return {"transactions/s": float(re.search(r"tps = ([\d.]+)", text)[1])}


def caretakers():
    """Those that live: as process 1 of our namespace we do not wait for them."""
    for stat in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(stat, encoding="ascii") as f:
                if re.search(r"\(rudp-caretaker\) [^Z]", f.read()):
                    yield os.path.dirname(stat)
        except OSError:
            pass


def cpu_ms(proc):
    with open(f"{proc}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def private_kib(proc):
    with open(f"{proc}/smaps_rollup", encoding="ascii") as f:
        return sum(int(line.split()[1]) for line in f if line.startswith("Private"))


def caretaker(_, side, count):
    """The standing ones of a server and a client that hold so many connections."""
    port = free_port()
    with Program(side, Place(LO), [MANY, "server", port]) as server:
        wait_ready(side, port, server)
        with Program(side, Place(LO), [MANY, "hold", LO, port, str(count)],
                     stdin=subprocess.PIPE) as client:
            client.line_with("held")
            time.sleep(1)           # the unit of what is measured is its idle second
            began = {p: cpu_ms(p) for p in caretakers()}
            time.sleep(SECONDS)
            if not began:
                raise Failed("there is none")
            used = [cpu_ms(p) - began[p] for p in began]
            values = {"private KiB": statistics.mean(map(private_kib, began)),
                      "CPU ms to take them": statistics.mean(began.values()),
                      "CPU ms/s, idle": statistics.mean(used) / SECONDS}
            client.process.stdin.close()
            client.wait()
    return values


# --- what there is to measure ----------------------------------------------------------

BULK = {"128K": (1, ("-l", "128K")), "128K-8streams": (8, ("-l", "128K")),
        "1K-nagle": (1, ("-l", "1K")), "1K-nodelay": (1, ("-l", "1K", "-N"))}
LOSSES = ("0%", "0.1%", "1%", "3%")
STAGES = {"lo": Loopback, "veth": lambda: Veth(True), "veth-off": lambda: Veth(False),
          **{f"{cc}-{x}": lambda cc=cc, x=x: Link(f"rate=100mbit,queue=500k,delay=20ms,loss={x}",
                                                  cc)
             for cc in ("bbr", "cubic") for x in LOSSES}}


def cases():
    """(name, stage, measurement, its arguments, sides)"""
    for where in STAGES:
        for name, arguments in BULK.items():
            yield f"bulk-{where}/{name}", where, bulk, arguments, ("rudp", "tcp", "bbr")
    two = sorted(os.sched_getaffinity(0))[:2]
    yield "latency/one-core", "lo", latency, ((two[0], two[0]),), ("rudp", "tcp")
    if len(two) == 2:
        yield "latency/two-cores", "lo", latency, (two,), ("rudp", "tcp")
    for pipeline in (1, 16):
        for clients in (1, 30, 100):
            yield (f"redis/{clients}-clients" + ("-pipelined" if pipeline > 1 else ""), "lo",
                   redis, (clients, pipeline), ("rudp", "tcp"))
    for clients in (1, 30, 100):
        yield f"wrk/{clients}-clients", "lo", wrk, (clients,), ("rudp", "tcp")
    for name in governance.CASES:
        yield f"governance/{name}", "lo", None, (name,), OURS
    for clients in (30, 100):
        yield f"processes/nginx-{clients}-clients", "lo", wrk, (clients, 2), ("rudp", "tcp")
    yield "processes/nginx-30-closing", "lo", wrk, (30, 2, True), ("rudp", "tcp")
    yield "processes/pgbench", "lo", postgres, ((),), ("rudp", "tcp")
    yield "processes/pgbench-reconnect", "lo", postgres, (("-C",),), ("rudp", "tcp")
    for count in (0, 10000):
        yield f"processes/fork-{count}-sockets", "lo", forks, (count,), ("rudp", "tcp")
    yield "processes/accept", "lo", accepts, (), ("rudp", "tcp")
    for count in (1, 1000):
        yield f"processes/caretaker-{count}", "lo", caretaker, (count,), ("rudp",)
    # 100 Mbit/s, 40 ms, and so many packets lost, for at least 8 s.
    for x in LOSSES:
        for cc, kernel in (("bbr", "bbr"), ("cubic", "tcp")):
            yield (f"lossy-{cc}/{x}", f"{cc}-{x}", bulk, (1, ("-t", str(max(SECONDS, 8)))),
                   ("rudp", kernel))
    yield "connections/one-by-one", "lo", connections, (), ("rudp", "tcp")
    yield "idle/connection", "lo", idle, (), ("rudp", "tcp")


def chosen(name):
    return not ONLY or any(name.startswith(o) for o in ONLY)


def sides_of(sides):
    want = os.environ.get("BENCH_SIDES")
    if want:
        return [s for s in want.split(",") if s in sides or s == "same" and "tcp" in sides]
    return [s for s in sides if s not in OURS or PRELOAD]


def give_up(*_):
    raise Failed(f"not done after {LIMIT_S} s")


def rounds_of(name):
    """What differs by a few percent at most needs more of them."""
    return RUNS * 12 if name.startswith("governance/") else RUNS


def in_turns(function, stage, name, sides, arguments):
    """Yields (round, side, values): a new run for each."""
    rounds = rounds_of(name)
    for round_no in range(rounds):
        turn = round_no % len(sides)
        for side in sides[turn:] + sides[:turn]:
            print(f"\r\033[K{name}: round {round_no + 1} of {rounds}, {side} ",
                  end="", file=sys.stderr, flush=True)
            signal.alarm(LIMIT_S)
            try:
                values = function(stage, side, *arguments)
            except (Failed, OSError, ValueError, KeyError, subprocess.SubprocessError) as e:
                print(f"\r\033[K{name}: {side}: {e}", file=sys.stderr)
                continue
            finally:
                signal.alarm(0)
            yield round_no, side, values


def measure(case, results):
    name, where, function, arguments, sides = case
    sides = sides_of(sides)
    try:
        stage = STAGES[where]()
    except (Failed, OSError, subprocess.SubprocessError) as e:
        print(f"\r\033[K{name}: {e}", file=sys.stderr)
        return
    try:
        rows = (in_turns(function, stage, name, sides, arguments) if function else
                governance.measure(*arguments, tmp, rounds_of(name)))
        for round_no, side, values in rows:
            for metric, value in values.items():
                results.setdefault((name, metric), {}).setdefault(side, {})[round_no] = value
    except (Failed, OSError, ValueError, KeyError, subprocess.SubprocessError) as e:
        print(f"\r\033[K{name}: {e}", file=sys.stderr)
    finally:
        stage.close()


# --- what is said about it --------------------------------------------------------------

def number(v):
    return f"{v:,.0f}" if v >= 1000 else f"{v:.3g}" if v < 10 else f"{v:.1f}"


def ratio(ours, theirs):
    """Of two sides, each round for itself: what drifts meanwhile does not count."""
    pairs = [ours[r] / theirs[r] for r in ours if theirs.get(r)]
    return statistics.median(pairs) if pairs else None


def table(results):
    """First side against each other one."""
    order = (*OURS, "same", "tcp", "bbr")
    sides = [s for s in order if any(s in by_side for by_side in results.values())]
    if not sides:
        return []
    first, others = sides[0], sides[1:]
    rows = [["case", "metric", first] + [x for o in others for x in (o, f"{first}/{o}")]]
    for (name, metric), by_side in results.items():
        mid = {s: statistics.median(v.values()) for s, v in by_side.items()}
        digits = 3 if name.startswith("governance/") else 2
        row = [name, metric, number(mid[first]) if first in mid else "-"]
        for o in others:
            row.append(number(mid[o]) if o in mid else "-")
            r = ratio(by_side.get(first, {}), by_side.get(o, {}))
            row.append(f"{r:.{digits}f}" if r is not None else "-")
        rows.append(row)
    return rows


def show(rows):
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    for r in rows:
        print("  ".join(c.ljust(w) if i < 2 else c.rjust(w)
                        for i, (c, w) in enumerate(zip(r, widths))).rstrip())


def save(results):
    with open(OUT + ".json", "w", encoding="ascii") as f:
        json.dump([{"case": n, "metric": m,
                    "sides": {s: list(v.values()) for s, v in by_side.items()}}
                   for (n, m), by_side in results.items()],
                  f, indent=1)
    with open(OUT + ".tsv", "w", encoding="ascii") as f:
        f.write("case\tmetric\tside\tmedian\tmin\tmax\truns\n")
        for (name, metric), by_side in results.items():
            for side, rounds in by_side.items():
                v = list(rounds.values())
                f.write(f"{name}\t{metric}\t{side}\t{statistics.median(v):.6g}\t"
                        f"{min(v):.6g}\t{max(v):.6g}\t{len(v)}\n")


def main():
    results = {}
    todo = [c for c in cases() if chosen(c[0])]
    if os.environ.get("BENCH_LIST"):
        print("\n".join(c[0] for c in todo))
        return 0
    signal.signal(signal.SIGALRM, give_up)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        for case in todo:
            measure(case, results)
    except KeyboardInterrupt:
        print("\ninterrupted: what there is", file=sys.stderr)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    print("\r\033[K", end="", file=sys.stderr)
    if not results:
        return 1
    show(table(results))
    save(results)
    print(f"\nmedians of {RUNS}; details in {OUT}.tsv and {OUT}.json")
    return 0


tmp = tempfile.mkdtemp(prefix="rudp-bench.")
try:
    sys.exit(main())
finally:
    shutil.rmtree(tmp)
