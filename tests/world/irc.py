"""Two of them meet in a channel and talk."""
import socket
import sys


class User:
    def __init__(self, nick):
        self.sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20)
        self.file = self.sock.makefile("rwb")
        self.say(f"NICK {nick}", f"USER {nick} 0 * :{nick}")
        self.hear(" 001 ")

    def say(self, *lines):
        self.file.write("".join(line + "\r\n" for line in lines).encode())
        self.file.flush()

    def hear(self, what):
        for line in self.file:
            line = line.decode()
            if line.startswith("PING"):
                self.say("PONG" + line[4:].strip())
            if what in line:
                return line
        sys.exit(f"no '{what}'")


a, b = User("anna"), User("bert")
for user in a, b:
    user.say("JOIN #t")
    user.hear(" 366 ")
a.hear("JOIN")
for i in range(3):
    a.say(f"PRIVMSG #t :line {i}")
    assert b.hear("PRIVMSG").endswith(f":line {i}\r\n")
    b.say(f"PRIVMSG anna :answer {i}")
    assert a.hear("PRIVMSG").endswith(f":answer {i}\r\n")
a.say("QUIT :done")
assert a.file.readlines()
b.hear("QUIT")
