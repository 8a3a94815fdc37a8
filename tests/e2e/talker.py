"""A program that sends itself data until it is killed."""
import socket
import threading

listener = socket.create_server(("127.0.0.1", 0))
a = socket.create_connection(listener.getsockname())
b, _ = listener.accept()
print("talks", flush=True)


def read():
    while b.recv(65536):
        pause.wait(0.005)


pause = threading.Event()
threading.Thread(target=read, daemon=True).start()
while True:
    a.sendall(bytes(65536))
