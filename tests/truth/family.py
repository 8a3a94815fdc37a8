"""Socks of a family, held while it forks, executes, passes and dies (T91), and
what counts as a sock (T19).

family.py hold PORT N PATH   N connections, from which nothing is read. Then a
                             line of input at a time:
                               fork     a child that has all of them
                               exec     a program that gets them and looks
                               pass     to a stranger, over the unix socket PATH
                               quit
family.py stranger PATH      takes what is passed there, looks, and keeps it
family.py look FD...         looks into descriptors, and keeps them
family.py idle               fills a connection to itself for a second, reads all
                             of it, and keeps it
family.py count RUDPSTAT RELAY
                             opens and closes sockets; alloc must follow

"look" peeks a byte out of each and says how many had one."""
import array
import json
import os
import select
import socket
import subprocess
import sys
import time


def say(*what):
    print(*what, flush=True)


def look(socks):
    say("looked", sum(s.recv(1, socket.MSG_PEEK) != b"" for s in socks))
    sys.stdin.read()


def stranger(path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        say("waiting")
        conn, _ = listener.accept()
        _, ctl, _, _ = conn.recvmsg(1, socket.CMSG_SPACE(4 * 64))
        fds = array.array("i")
        fds.frombytes(ctl[0][2])
        look([socket.socket(fileno=fd) for fd in fds])


def child(socks, argv):
    pid = os.fork()
    if pid == 0:
        if argv:
            for s in socks:
                s.set_inheritable(True)
            os.execv(sys.executable, [sys.executable, __file__, *argv])
        say("forked", os.getpid())
        while True:
            time.sleep(100)
    return pid


def hold(port, n, path):
    socks = [socket.create_connection(("127.0.0.1", port)) for _ in range(n)]
    for s in socks:
        s.recv(1, socket.MSG_PEEK)
    say("held")
    for line in sys.stdin:
        if line == "fork\n":
            child(socks, None)
        elif line == "exec\n":
            child(socks, ["look", *(str(s.fileno()) for s in socks)])
        elif line == "pass\n":
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(path)
                s.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                    array.array("i", [x.fileno() for x in socks]))])
        else:
            break


def idle():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    client.setblocking(False)
    sent = received = 0
    end = time.monotonic() + 1
    while time.monotonic() < end:
        while select.select([], [client], [], 0.01)[1]:
            sent += client.send(bytes(1 << 20))
        while received < sent / 2:
            received += len(server.recv(1 << 20))
    while received < sent:
        received += len(server.recv(1 << 20))
    say("idle after", sent)
    sys.stdin.read()


# --- what counts (T19) -------------------------------------------------------------

def sockets(rudpstat):
    env = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
    out = subprocess.run([rudpstat, "-j", "-d", os.environ["RUDP_DOMAIN"]], env=env,
                         stdout=subprocess.PIPE, check=True).stdout
    domain = json.loads(out)["domains"][0]
    return {**domain["sockets"], "SynRecv": domain["counters"]["SynRecv"]}


def expect(rudpstat, what, **want):
    seen = {}
    for _ in range(250):
        seen = sockets(rudpstat)
        if all(seen[k] == v for k, v in want.items()):
            say(what, want)
            return
        time.sleep(0.02)
    sys.exit(f"{what}: wanted {want}, there is {seen}")


def count(rudpstat, relay):
    listener = socket.create_server(("127.0.0.1", 0))
    host, port = listener.getsockname()
    expect(rudpstat, "a listener", alloc=1)
    client = socket.socket()
    expect(rudpstat, "a socket that is nothing yet", alloc=2)
    client.connect((host, port))
    expect(rudpstat, "connected, not yet accepted", alloc=3)
    server, _ = listener.accept()
    expect(rudpstat, "accepted", alloc=3)

    # The answers to this one are lost: the listener has seen its SYN.
    env = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
    with subprocess.Popen([relay, "-t", f"{host}:{port}", "-i", "loss=100%"], env=env,
                          stdout=subprocess.PIPE, text=True) as link:
        before = sockets(rudpstat)["SynRecv"]
        half = socket.socket()
        half.setblocking(False)
        half.connect_ex((host, int(link.stdout.readline())))
        expect(rudpstat, "an opening that is not finished", alloc=4, SynRecv=before + 1)
        half.close()
        link.terminate()
    expect(rudpstat, "and given up", alloc=3)

    client.close()
    server.recv(1)
    server.close()
    expect(rudpstat, "TIME_WAIT", alloc=1, timewait=1, orphan=0)

    client = socket.create_connection((host, port))
    server, _ = listener.accept()
    client.setblocking(False)
    try:
        while True:
            client.send(bytes(65536))
    except BlockingIOError:
        pass
    client.close()
    expect(rudpstat, "an orphan", alloc=3, orphan=1)
    while server.recv(1 << 20):
        pass
    server.close()
    expect(rudpstat, "whose data has arrived", alloc=1, orphan=0)
    listener.close()
    expect(rudpstat, "nothing", alloc=0)


if sys.argv[1] == "hold":
    hold(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
elif sys.argv[1] == "stranger":
    stranger(sys.argv[2])
elif sys.argv[1] == "idle":
    idle()
elif sys.argv[1] == "look":
    look([socket.socket(fileno=int(fd)) for fd in sys.argv[2:]])
else:
    count(sys.argv[2], sys.argv[3])
