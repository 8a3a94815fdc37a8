"""A program with a connection to itself: one thread writes, one reads."""
import socket
import threading

listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
a = socket.create_connection(listener.getsockname())
b, _ = listener.accept()
print("port", listener.getsockname()[1], flush=True)


def until_error(name, step):
    try:
        while True:
            step()
    except OSError as e:
        print("%s: %s" % (name, type(e).__name__.removesuffix("Error")), flush=True)


def write():
    a.sendall(b"x" * 10000)
    pause.wait(0.01)


pause = threading.Event()
reader = threading.Thread(target=until_error, args=("reader", lambda: b.recv(65536)))
reader.start()
until_error("writer", write)
reader.join()
