"""relay_check.py RELAY LINK: what the relay does to 10,000 numbered datagrams,
sent to an echo behind it, against 2% loss, 5% reordering and 1% duplication
in each direction."""
import selectors
import socket
import subprocess
import sys
import time

COUNT = 10000

echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
echo.bind(("127.0.0.1", 0))
relay = subprocess.Popen([sys.argv[1], "-t", f"127.0.0.1:{echo.getsockname()[1]}",
                          "-o", sys.argv[2], "-i", sys.argv[2]], stdout=subprocess.PIPE)
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.connect(("127.0.0.1", int(relay.stdout.readline())))

arrived = {"echo": [], "client": []}
sel = selectors.DefaultSelector()
sel.register(echo, selectors.EVENT_READ)
sel.register(client, selectors.EVENT_READ)
echo.setblocking(False)
client.setblocking(False)


def drain(sock):
    """A socket's buffer holds few small datagrams: take all, and often."""
    try:
        while True:
            data, where = sock.recvfrom(100)
            if sock is echo:
                arrived["echo"].append(int(data))
                echo.sendto(data, where)
            else:
                arrived["client"].append(int(data))
    except BlockingIOError:
        pass


sent = 0
quiet = time.monotonic()
while time.monotonic() - quiet < 0.3:
    if sent < COUNT:
        client.send(b"%d" % sent)
        sent += 1
    for key, _ in sel.select(0.00005 if sent < COUNT else 0.1):
        quiet = time.monotonic()
        drain(key.fileobj)
relay.terminate()
relay.wait()

# Of n datagrams sent, unique ones and copies arrive; late ones have been overtaken.
good = True
before = COUNT
for end, numbers in arrived.items():
    unique = len(set(numbers))
    copies = len(numbers) - unique
    seen, late, top = set(), 0, -1
    for n in numbers:
        late += n < top and n not in seen
        seen.add(n)
        top = max(top, n)
    print(f"{end}: {before} sent, {unique} arrived, {copies} twice, {late} late")
    good &= 0.95 < unique / before < 0.995 and 0.003 < copies / before < 0.03
    good &= end == "client" or 0.02 < late / before < 0.08
    before = len(numbers)
sys.exit(not good)
