"""What moves the counters that belong to the runtime, for run_counters.sh (T85),
and what shows that limits are in force, for run_set.sh.

Over librudp:
  counted.py pairs N       opens and closes N connections, the accepted end first
  counted.py resets N      opens N, and resets them
  counted.py listen        listens with no room for anybody; prints its port
  counted.py echo          listens, echoes; prints its port
  counted.py crowd PORT N  begins N connections, says so, waits for its input's end
  counted.py talk PORT     has each line of its input echoed
  counted.py sizes         for each line of its input, the sizes of a new socket
  counted.py orphan        at the first line of its input, closes a connection
                           whose queue nobody reads
Beside it:
  counted.py garbage PORT N BYTES   sends N datagrams that are no packets
  counted.py middle PORT   forwards the datagrams of clients to that port;
                           prints its own. Each line of its input is a word:
                             corrupt    the next packet with data loses a bit
                             nobody     the next that opens nothing is sent once
                                        more, for an id that there is not
                             stale      the packet that opened it, with another id
                             again N    the server's last packet, N times
"""
import select
import socket
import struct
import sys

HERE = "127.0.0.1"
SYN, OPEN = 1, 1
HEADER = 48


def pairs(count):
    with socket.create_server((HERE, 0)) as listener:
        for _ in range(count):
            client = socket.create_connection(listener.getsockname())
            server, _ = listener.accept()
            server.close()
            assert client.recv(1) == b""
            client.close()


def resets(count):
    with socket.create_server((HERE, 0)) as listener:
        for _ in range(count):
            client = socket.create_connection(listener.getsockname())
            server, _ = listener.accept()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            try:
                server.recv(1)
                sys.exit("no reset came")
            except ConnectionResetError:
                server.close()


def listen():
    with socket.create_server((HERE, 0), backlog=0) as listener:
        print(listener.getsockname()[1], flush=True)
        sys.stdin.read()


def echo():
    with socket.create_server((HERE, 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        conn, _ = listener.accept()
        while data := conn.recv(1 << 16):
            conn.sendall(data)


def crowd(port, count):
    socks = [socket.socket() for _ in range(count)]
    for sock in socks:
        sock.setblocking(False)
        sock.connect_ex((HERE, port))
    print("begun", flush=True)
    sys.stdin.read()


def talk(port):
    with socket.create_connection((HERE, port)) as sock:
        print("connected", flush=True)
        for line in sys.stdin:
            sock.sendall(line.encode())
            got = b""
            while not got.endswith(b"\n"):
                got += sock.recv(1 << 16)
            assert got == line.encode(), got
            print("echoed", flush=True)


def sizes():
    for _ in sys.stdin:
        with socket.socket() as sock:
            print(*(sock.getsockopt(socket.SOL_SOCKET, option)
                    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF)), flush=True)


def orphan():
    with socket.create_server((HERE, 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
        client.setblocking(False)
        try:
            while True:
                client.send(bytes(65536))
        except BlockingIOError:
            print("full", flush=True)
        sys.stdin.readline()
        client.close()
        print("closed", flush=True)
        sys.stdin.readline()
        server.close()


def garbage(port, count, size):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((HERE, port))
        for _ in range(count):
            sock.send(bytes(size))


def other_id(packet):
    return packet[:8] + bytes(b ^ 0x5a for b in packet[8:16]) + packet[16:]


class Middle:
    """What is said of the server's packets is of those for who came first."""

    def __init__(self, port):
        self.server = (HERE, port)
        self.front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.front.bind((HERE, 0))
        self.stranger = self.towards_server()
        self.backs = {}         # by client's address
        self.first = None
        self.opener = self.answer = b""
        self.corrupt = self.nobody = False

    def towards_server(self):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.connect(self.server)
        return sock

    def to_server(self):
        packet, client = self.front.recvfrom(65536)
        if client not in self.backs:
            self.backs[client] = self.towards_server()
            self.first = self.first or client
        length = struct.unpack(">H", packet[2:4])[0]
        if length > HEADER and packet[HEADER] == OPEN and not packet[1] & SYN:
            self.opener = packet
        elif self.nobody:
            self.nobody = False
            self.stranger.send(other_id(packet))
        if self.corrupt and len(packet) > length:
            self.corrupt = False
            packet = packet[:-1] + bytes([packet[-1] ^ 1])
        self.backs[client].send(packet)

    def to_client(self, client):
        packet = self.backs[client].recv(65536)
        if client == self.first:
            self.answer = packet
        self.front.sendto(packet, client)

    def command(self, words):
        if words[0] == "corrupt":
            self.corrupt = True
        elif words[0] == "nobody":
            self.nobody = True
        elif words[0] == "stale":
            self.stranger.send(other_id(self.opener))
        elif words[0] == "again":
            for _ in range(int(words[1])):
                self.front.sendto(self.answer, self.first)
        print("done", *words, flush=True)

    def run(self):
        print(self.front.getsockname()[1], flush=True)
        while True:
            waits = [self.front, sys.stdin, *self.backs.values()]
            ready, _, _ = select.select(waits, [], [])
            if self.front in ready:
                self.to_server()
            for client in [c for c, back in self.backs.items() if back in ready]:
                self.to_client(client)
            if sys.stdin in ready:
                line = sys.stdin.readline()
                if not line:
                    return
                self.command(line.split())


ROLES = {"pairs": pairs, "resets": resets, "listen": listen, "echo": echo, "crowd": crowd,
         "talk": talk, "sizes": sizes, "orphan": orphan, "garbage": garbage,
         "middle": lambda port: Middle(port).run()}
ROLES[sys.argv[1]](*map(int, sys.argv[2:]))
