"""capture.py FILE: UDP on the loopback device into a pcap file, until its
standard input ends. What was sent before that is in it: delivery on the
loopback device is part of sending, and the queue is emptied first."""
import select
import socket
import struct
import sys
import time

ETH_P_ALL, PACKET_OUTGOING, SO_RCVBUFFORCE = 3, 4, 33

s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
s.bind(("lo", ETH_P_ALL))
out = open(sys.argv[1], "wb")
out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 1 << 18, 1))


def take():
    frame, where = s.recvfrom(1 << 18, socket.MSG_DONTWAIT)
    is_udp = (frame[12:14] == b"\x08\x00" and frame[23] == socket.IPPROTO_UDP or
              frame[12:14] == b"\x86\xdd" and frame[20] == socket.IPPROTO_UDP)
    if where[2] != PACKET_OUTGOING and is_udp:      # lo shows each one twice
        now = time.time()
        out.write(struct.pack("<IIII", int(now), int(now % 1 * 1e6), len(frame), len(frame)))
        out.write(frame)


print("capturing", flush=True)
while sys.stdin not in select.select([s, sys.stdin], [], [])[0]:
    take()
try:
    while True:
        take()
except BlockingIOError:
    pass
