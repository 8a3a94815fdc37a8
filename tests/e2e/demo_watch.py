"""demo_watch.py CLIENTS RUDPSTAT: shows a line a second while demo.sh's
clients run, looks at the account five times as often, and says at the end
whether all data was right and the limit held."""
import json
import os
import subprocess
import sys
import time

PAGE = 4096
WIDTH = 40
LOOK_EVERY = 0.2
# What the domain guarantees: the limit, and for each sock the little that lets
# it make progress, for each process its receive pool.
SOCK_PAGES = 3
POOL_PAGES = 32

clients, rudpstat = int(sys.argv[1]), sys.argv[2]
start = time.monotonic()
most, most_over, high, blind = 0, 0, 0, 0


def look():
    """The domain's row of rudpstat's JSON, or None."""
    if not rudpstat:
        return None
    try:
        out = subprocess.run([rudpstat, "-j", "-d", os.environ["RUDP_DOMAIN"]],
                             stdout=subprocess.PIPE, timeout=10, check=True).stdout
        return json.loads(out)["domains"][0]
    except (subprocess.SubprocessError, ValueError, IndexError, OSError):
        return None


def mib(pages):
    return f"{pages * PAGE / 2**20:5.2f} MiB"


def delivered():
    return sum(e.stat().st_size for e in os.scandir("got")) / 2**20


def bar(pages, of):
    filled = min(WIDTH, round(WIDTH * pages / of))
    return "#" * filled + "." * (WIDTH - filled)


def line(domain, done):
    if domain:
        memory = domain["memory"]
        mem = (f"{mib(memory['allocated'])} [{bar(memory['allocated'], memory['high'])}] "
               f"{'pressure' if memory['under_pressure'] else '':8} "
               f"{domain['sockets']['inuse']:5}")
    else:
        mem = f"{'-':>9} {'':{WIDTH + 2}} {'':8} {'-':>5}"
    print(f"{time.monotonic() - start:4.0f} s {mem}  {done:3}/{clients} "
          f"{delivered():7.0f} MiB", flush=True)


print(f"{'time':>6} {'charged':>9} {'of the limit':^{WIDTH + 2}} {'':8} socks   done   delivered")
shown = -1
while True:
    done = len(os.listdir("done"))
    domain = look()
    if domain:
        pages = domain["memory"]["allocated"]
        high = domain["memory"]["high"]
        most = max(most, pages)
        most_over = max(most_over, pages - high - SOCK_PAGES * domain["sockets"]["alloc"]
                        - POOL_PAGES * len(domain["processes"]))
    elif rudpstat:
        blind += 1
    if done == clients or int(time.monotonic() - start) > shown:
        shown = int(time.monotonic() - start)
        line(domain, done)
    if done == clients:
        break
    time.sleep(LOOK_EVERY)

wrong = []
for i in range(1, clients + 1):
    verdict = open(f"done/{i}").read().split("\n", 1)
    if verdict[0] != "right":
        wrong.append(f"  client {i}: {' '.join(verdict[1:]).strip()}")
print(f"\n{clients - len(wrong)} of {clients} checksums matched, "
      f"{delivered():.0f} MiB in {time.monotonic() - start:.0f} s.")
print("\n".join(wrong[:5]))
good = not wrong
if rudpstat:
    if not most:
        print("The account could not be read.")
        good = False
    elif most <= high:
        print(f"The limit held: at most {mib(most).strip()} of {mib(high).strip()} were charged.")
    elif most_over <= 0:
        print(f"The limit held: at most {mib(most).strip()} were charged, {mib(high).strip()} and "
              "the few pages that each socket and process are always granted.")
    else:
        print(f"The limit did NOT hold: {mib(most).strip()} were charged, "
              f"{mib(most_over).strip()} more than {mib(high).strip()} and the guarantees allow.")
        good = False
    if blind:
        print(f"({blind} looks at the account failed)")
sys.exit(not good)
