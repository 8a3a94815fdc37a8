"""deaths.py PROGRAM PORT ROUNDS KILLS WHERE [SEED]: runs rounds of `deaths serve`
and `deaths call`, each preceded by what $IN_MODE says (a preload), and kills
their members at random moments, KILLS in a round: workers, callers, the
processes that drive for the others, their caretakers, both of these; drivers
are stopped for a while. After each round nothing may be left: no process, no
page, no socket, no descriptor. WHERE is a domain for rudpstat ($RUDPSTAT), or
"none".
"""
import json
import os
import random
import signal
import struct
import subprocess
import sys
import time

program, port, rounds, kills, domain = sys.argv[1:6]
seed = int(sys.argv[6]) if len(sys.argv) > 6 else int.from_bytes(os.urandom(4))
rng = random.Random(seed)
in_mode = os.environ.get("IN_MODE", "").split()
WORDS = "exchanged connected refused ended lost hung corrupt".split()
OURS = ("d-serve", "d-work", "d-kid", "d-caller", "d-call", "rudp-caretaker", "rudp")
total = dict.fromkeys(WORDS, 0)
done = 0


def wrong(text):
    print(f"{text} (seed {seed})", flush=True)
    for pid, comm in sorted(processes().items()):
        print("   ", pid, comm, read(f"/proc/{pid}/wchan"), read(f"/proc/{pid}/stat").split(")")[-1][:8])
    if os.environ.get("DEATHS_WAIT"):
        print("waiting", flush=True)
        sys.stdin.readline()
    for pid in processes():
        kill(pid, signal.SIGKILL)
    sys.exit(1)


def read(path):
    try:
        with open(path) as f:
            return f.read().rstrip("\0\n")
    except OSError:
        return ""


def processes():
    """Ours that are not dead: {pid: name}."""
    found = {}
    for pid in os.listdir("/proc"):
        if not pid.isdigit():
            continue
        stat = read(f"/proc/{pid}/stat")
        comm = stat[stat.find("(") + 1:stat.rfind(")")]
        # a caretaker is the loader's at first, and before that the driver's
        if (comm in OURS or comm.startswith("ld-")) and stat[stat.rfind(")") + 2] not in "ZX":
            found[int(pid)] = comm
    return found


def kill(pid, sig):
    try:
        os.kill(pid, sig)
    except ProcessLookupError:
        pass


def rudpstat(*args):
    return json.loads(subprocess.run([os.environ["RUDPSTAT"], "--domain", domain, "-j", *args],
                                     capture_output=True, check=True).stdout)


def report():
    data = open("report", "rb").read()
    return dict(zip(WORDS, struct.unpack(f"<{len(WORDS)}I", data or bytes(4 * len(WORDS)))))


def within(seconds, what, test):
    end = time.monotonic() + seconds
    while not test():
        if time.monotonic() > end:
            wrong(what)
        time.sleep(0.02)


def holds_nothing():
    if domain == "none":
        return True
    subprocess.run([os.environ["RUDPSTAT"], "--domain", domain, "--reap"], capture_output=True)
    d = rudpstat("-m")["domains"][0]
    return d["memory"]["allocated"] == 0 and d["sockets"]["alloc"] == 0


def start(*args):
    return subprocess.Popen([*in_mode, program, *args], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE)


def kill_all(names):
    """Nobody drives any more. A peer that lives would not hear of it."""
    killed = 0
    while victims := [p for p, c in processes().items() if c in names]:
        for pid in victims:
            kill(pid, signal.SIGKILL)
        killed += len(victims)
    return killed


def one_death():
    """A victim, or two; what it was."""
    procs = processes()
    by_name = {}
    for pid, comm in procs.items():
        by_name.setdefault(comm, []).append(pid)
    care = by_name.get("rudp-caretaker", [])
    heads = by_name.get("d-serve", []) + by_name.get("d-caller", [])
    rest = [p for p, c in procs.items() if c in ("d-work", "d-kid", "d-call")]
    dice = rng.random()
    if dice < 0.08 and heads:
        victims = [rng.choice(heads)]
    elif dice < 0.18 and care:
        victims = [rng.choice(care)]
    elif dice < 0.21 and care and heads:
        return kill_all(("d-serve", "d-caller", "rudp-caretaker"))
    elif dice < 0.28 and heads + care:
        victim = rng.choice(heads + care)
        kill(victim, signal.SIGSTOP)
        time.sleep(rng.choice((0.01, 0.1, 0.5, 1.0)))
        kill(victim, signal.SIGCONT)
        return 0
    elif rest:
        victims = [rng.choice(rest)]
    else:
        return 0
    for pid in victims:
        kill(pid, signal.SIGKILL)
    return len(victims)


def one_round():
    global done
    server = start("serve", port, "4")
    if server.stdout.readline() != b"listening\n":
        wrong("no listener")
    if os.path.exists("report"):
        os.unlink("report")
    callers = start("call", port, "6", "report")
    within(20, "nothing was said", lambda: os.path.exists("report") and report()["exchanged"] > 20)
    killed = 0
    while killed < int(kills):
        time.sleep(rng.random() * 0.04)
        killed += one_death()
        now = report()
        if now["hung"] or now["corrupt"]:
            wrong(f"{now} after {killed} of {kills}, round {done}")
        left = processes().values()
        if "d-call" not in left or "d-work" not in left:
            break
    for p in server, callers:
        p.stdin.close()
        p.stdout.close()
    # A peer that vanished without a word leaves FIN-WAIT-2, for a minute.
    within(75, "processes are left", lambda: not processes())
    for p in server, callers:
        p.wait()
    within(5, "something is held", holds_nothing)
    now = report()
    if now["hung"] or now["corrupt"]:
        wrong(f"{now}")
    for w in WORDS:
        total[w] += now[w]
    done += killed


for _ in range(int(rounds)):
    one_round()
print(f"{done} killed: " + " ".join(f"{w} {n}" for w, n in total.items()))
