"""traced.py send BYTES: listens, reads the number of a relay to itself, connects
through it, and when one more line is read sends BYTES.

traced.py check FILE SCHEMA LEAST: is FILE right, as qlog, and as the story of a
transfer that lost LEAST packets or more?
"""
import json
import socket
import sys
import threading


def send(relay_port, listener_fd, size):
    listener = socket.socket(fileno=listener_fd)
    a = socket.create_connection(("127.0.0.1", relay_port))
    b, _ = listener.accept()
    print("local", a.getsockname()[1], flush=True)
    got = 0

    def read():
        nonlocal got
        while data := b.recv(1 << 16):
            got += len(data)

    reader = threading.Thread(target=read)
    reader.start()
    sys.stdin.readline()
    a.sendall(bytes(size))
    a.shutdown(socket.SHUT_WR)
    reader.join()
    b.close()
    assert a.recv(1) == b""
    a.close()
    print("got", got, flush=True)


def ranges(event, frame_types):
    """Packet numbers that an event's acknowledgements name."""
    for f in event["data"].get("frames", [event["data"]]):
        if f.get("frame_type") in frame_types:
            for first, last in f.get("acked_ranges", []):
                yield from range(first, last + 1)


def check(path, schema, least):
    q = json.load(open(path))
    try:
        import jsonschema
        jsonschema.validate(q, json.load(open(schema)))
    except ImportError:
        print("no python3-jsonschema: not validated")
    events = q["traces"][0]["events"]
    times = [e["time"] for e in events]
    assert times[0] == 0 and times == sorted(times)
    by = {}
    for e in events:
        by.setdefault(e["name"], []).append(e)
    for name in ("transport:packet_sent", "transport:packet_received", "recovery:packet_lost",
                 "recovery:metrics_updated", "recovery:congestion_state_updated",
                 "recovery:loss_timer_updated", "rudp:timer_updated", "rudp:memory_wait",
                 "transport:stream_state_updated", "connectivity:connection_state_updated"):
        assert name in by, (name, sorted(by))
    sent = {e["data"]["header"]["packet_number"]: e["data"] for e in by["transport:packet_sent"]}
    assert sorted(sent) == list(range(len(sent)))
    assert "rudp:events_missed" not in by, by["rudp:events_missed"]

    lost = [e["data"]["header"]["packet_number"] for e in by["recovery:packet_lost"]]
    acked = [n for e in by["transport:packet_received"] for n in ranges(e, ("ack",))]
    acked += [n for e in by.get("recovery:packets_sacked", []) for n in ranges(e, (None,))]
    assert len(lost) >= least, lost
    assert set(lost) <= set(sent) and set(acked) <= set(sent)
    assert len(set(acked)) == len(acked) and len(set(lost)) == len(lost)
    # What had a byte of the stream in it was acknowledged or lost; and what
    # was lost was sent again.
    stream = {n: f for n, d in sent.items() for f in d["frames"] if f["frame_type"] == "stream"}
    assert set(stream) == set(lost) | set(acked), set(stream) ^ (set(lost) | set(acked))
    again = sum(d.get("trigger") in ("retransmit", "pto_probe") for d in sent.values())
    assert again >= len(set(lost) - set(acked)), (again, lost, acked)
    whole = set()
    for n in acked:
        whole.update(range(stream[n]["offset"], stream[n]["offset"] + stream[n]["length"]))
    assert len(whole) == max(whole) + 1, "bytes are missing"
    states = [e["data"]["new"] for e in by["connectivity:connection_state_updated"]]
    assert states[0] == "ESTAB" and "FIN-WAIT-1" in states, states
    assert any(e["data"]["new"] == "recovery" for e in by["recovery:congestion_state_updated"])
    print(len(events), "events,", len(sent), "packets,", len(lost), "lost")


if sys.argv[1] == "check":
    check(sys.argv[2], sys.argv[3], int(sys.argv[4]))
else:
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen()
    print("port", server.getsockname()[1], flush=True)
    send(int(sys.stdin.readline()), server.detach(), int(sys.argv[2]))
