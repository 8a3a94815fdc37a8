"""dissected.py WHAT ...: what tshark made of a capture, in frames.json."""
import json
import struct
import sys


def no_dict(pairs):
    """Objects repeat their keys: a list for each."""
    d = {}
    for k, v in pairs:
        d.setdefault(k, []).append(v)
    return d


def packets():
    """One dictionary of lists for each packet; a frame may hold a train."""
    for frame in json.load(open("frames.json"), object_pairs_hook=no_dict):
        for layers in frame["_source"][0]["layers"]:
            for layer in layers.get("librudp", []):
                yield from layer if isinstance(layer, list) else [layer]


def flat(p):
    """The names and values in a packet's tree, whatever lies in what."""
    d = {}
    todo = [p]
    while todo:
        for k, vs in todo.pop().items():
            for v in vs:
                if isinstance(v, dict):
                    todo.append(v)
                else:
                    d.setdefault(k.removeprefix("librudp."), []).append(v)
    return d


def spoil(path):
    """One bit of the last byte of the longest frame."""
    d = bytearray(open(path, "rb").read())
    at, best = 24, (0, 0)
    while at < len(d):
        size = struct.unpack_from("<I", d, at + 8)[0]
        best = max(best, (size, at + 16 + size - 1))
        at += 16 + size
    d[best[1]] ^= 1
    open(path, "wb").write(d)


def opening(all_):
    """An id asks, an id answers, both go on."""
    answer = next(p for p in all_ if int(p["flags"][0], 16) & 3 == 3)
    a, b = answer["dst_id"][0], answer["open.src_id"][0]
    assert any(int(p["flags"][0], 16) == 1 and p["open.src_id"][0] == a for p in all_)
    assert any(p["dst_id"][0] == b and p.get("open.src_id") == [a] for p in all_)
    assert any(p["dst_id"][0] == a and p["src_id"][0] == b for p in all_)


def stream(all_, path):
    """Each connection's bytes, put together: one of them is the file."""
    want = open(path, "rb").read()
    streams = {}
    for p in all_:
        if int(p["len"][0]):
            part = bytes.fromhex(p["payload"][0].replace(":", ""))
            assert len(part) == int(p["len"][0])
            streams.setdefault(p["dst_id"][0], {})[int(p["seq"][0]) - 1] = part
    for parts in streams.values():
        whole = bytearray()
        for at in sorted(parts):
            assert at <= len(whole), "a hole at %d" % len(whole)
            whole[at:at + len(parts[at])] = parts[at]
        if whole.endswith(want):
            return
    sys.exit("no stream is the file: %s" % [max(s) for s in streams.values()])


def fields(all_):
    sacks = [p for p in all_ if "sack.start" in p]
    assert sacks, "no SACK"
    for p in sacks:
        for start, end in zip(p["sack.start"], p["sack.end"]):
            assert int(p["ack"][0]) < int(start) < int(end)
    assert any(int(p["window"][0]) > 10000 for p in all_)
    assert any(int(p["flags"][0], 16) & 4 for p in all_), "no FIN"


def sums(all_):
    wrong = [p for p in all_ if p["checksum.status"][0] != "1"]
    assert all_ and not wrong, wrong[:1]


def bad(all_):
    assert [p["checksum.status"][0] for p in all_].count("0") == 1


if sys.argv[1] == "spoil":
    spoil(sys.argv[2])
else:
    globals()[sys.argv[1]]([flat(p) for p in packets()], *sys.argv[2:])
