"""offload.py DEVICE on|off: segmentation and receive offloads of a network
device of this namespace, as `ethtool -K` would set them."""
import fcntl
import socket
import struct
import sys

import array

SIOCETHTOOL = 0x8946
ETHTOOL_GSSET_INFO = 0x37
ETHTOOL_GSTRINGS = 0x1b
ETHTOOL_SFEATURES = 0x3b
ETH_SS_FEATURES = 4
NAME_LEN = 32

OFFLOADS = ("tx-tcp-segmentation", "tx-tcp6-segmentation", "tx-tcp-ecn-segmentation",
            "tx-tcp-mangleid-segmentation", "tx-udp-segmentation",
            "tx-generic-segmentation", "tx-gso-list", "rx-gro", "rx-gro-list",
            "rx-udp-gro-forwarding")


def ethtool(device, request):
    """One ioctl; returns what the kernel left in the request."""
    buf = array.array("B", request)
    address, _ = buf.buffer_info()
    ifreq = struct.pack("16sP16x", device.encode(), address)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, SIOCETHTOOL, ifreq)
    return bytes(buf)


def features(device):
    info = ethtool(device, struct.pack("IIQI", ETHTOOL_GSSET_INFO, 0, 1 << ETH_SS_FEATURES, 0))
    count = struct.unpack("IIQI", info)[3]
    head = struct.pack("III", ETHTOOL_GSTRINGS, ETH_SS_FEATURES, count)
    names = ethtool(device, head + bytes(count * NAME_LEN))[len(head):]
    return [names[i:i + NAME_LEN].rstrip(b"\0").decode()
            for i in range(0, len(names), NAME_LEN)]


def switch(device, on):
    names = features(device)
    blocks = [[0, 0] for _ in range((len(names) + 31) // 32)]
    for i, name in enumerate(names):
        if name in OFFLOADS:
            blocks[i // 32][0] |= 1 << i % 32
            blocks[i // 32][1] |= on << i % 32
    request = struct.pack("II", ETHTOOL_SFEATURES, len(blocks))
    for valid, requested in blocks:
        request += struct.pack("II", valid, requested)
    ethtool(device, request)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[2] not in ("on", "off"):
        sys.exit(__doc__)
    switch(sys.argv[1], sys.argv[2] == "on")
