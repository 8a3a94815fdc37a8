"""traced.py send BYTES: listens, reads the number of a relay to itself, connects
through it, and when one more line is read sends BYTES.

traced.py check FILE SCHEMA LEAST: is FILE right, as qlog, and as the story of a
transfer that lost LEAST packets or more?
"""
import json
import os
import socket
import sys
import threading

sys.dont_write_bytecode = True      # into the sources
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from schema import validate


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


def ranges(event):
    """Packet numbers that an event's acknowledgements name."""
    for f in event["data"].get("frames", []):
        if f["frame_type"] == "ack":
            for first, last in f["acked_ranges"]:
                yield from range(first, last + 1)


def check_qvis(path, q):
    """What qvis needs to load the file and to draw it: its loader knows the
    format by the first kilobyte, this version's name, and looks at the last
    event before it looks at any; its diagrams take these fields unasked."""
    head = open(path).read(1024)
    assert '"qlog_version":"0.3"' in head and '"qlog_format":"JSON"' in head
    assert "NDJSON" not in head and "JSON-SEQ" not in head
    trace, = q["traces"]
    assert trace["vantage_point"]["type"] in ("client", "server")
    common = trace["common_fields"]
    assert common["time_format"] == "relative" and float(common["reference_time"]) == 0
    assert trace["events"] and not any("group_id" in e for e in trace["events"])
    last = 0
    for e in trace["events"]:
        category, name = e["name"].split(":")
        assert category and name and e["time"] >= last
        last, data = e["time"], e["data"]
        assert "packet_type" not in data and "packet_size" not in data.get("header", {})
        if name in ("packet_sent", "packet_received"):
            assert data["raw"]["length"] > 0 and data["header"]["packet_number"] >= 0
        for f in data.get("frames", []):
            assert f["frame_type"] != "ack" or f["acked_ranges"]
    drawn = {k for e in trace["events"] if e["name"] == "recovery:metrics_updated"
             for k in e["data"]}
    assert drawn >= {"bytes_in_flight", "congestion_window", "min_rtt", "smoothed_rtt"}, drawn


def check(path, schema, least):
    q = json.load(open(path))
    validate(q, json.load(open(schema)))
    check_qvis(path, q)
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
    acked = {n for e in by["transport:packet_received"] for n in ranges(e)}
    assert {n for e in by["transport:packet_sent"] for n in ranges(e)} <= \
        {e["data"]["header"]["packet_number"] for e in by["transport:packet_received"]}
    assert len(lost) >= least, lost
    assert set(lost) <= set(sent) and acked <= set(sent)
    assert len(set(lost)) == len(lost)
    # What came behind a lost packet was said, by SACK, before the loss was.
    seen, early = set(), 0
    for e in events:
        if e["name"] == "transport:packet_received":
            seen.update(ranges(e))
        elif e["name"] == "recovery:packet_lost":
            early += any(n > e["data"]["header"]["packet_number"] for n in seen)
    assert early >= least, (early, least)
    edges = [f["maximum"] for e in by["transport:packet_received"] for f in e["data"]["frames"]
             if f["frame_type"] == "max_stream_data"]
    assert edges and edges == sorted(edges), "a window was taken back"
    # What had a byte of the stream in it was acknowledged or lost; and what
    # was lost was sent again.
    stream = {n: f for n, d in sent.items() for f in d["frames"] if f["frame_type"] == "stream"}
    assert set(stream) == set(lost) | acked, set(stream) ^ (set(lost) | acked)
    again = sum(d.get("trigger") in ("retransmit", "pto_probe") for d in sent.values())
    assert again >= len(set(lost) - acked), (again, lost, acked)
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
