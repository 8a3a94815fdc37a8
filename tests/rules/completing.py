"""completing.py SHELL DIRECTORY: types words and a tab into a shell in a terminal
of its own, and looks what becomes of the line."""
import os
import pty
import re
import select
import sys
import time

CASES = (
    ("rudpstat --k", "rudpstat --kill"),
    ("rudpstat -t state est", "rudpstat -t state established"),
    ("rudpstat --color n", "rudpstat --color never"),
    ("rudpstat --set max", "rudpstat --set max_orphans="),
    ("rudpstat -a dpo", "rudpstat -a dport"),
    ("rudp-run --rm", "rudp-run --rmem"),
    ("rudp-run --cc r", "rudp-run --cc reno"),
    ("rudp-run --listen b", "rudp-run --listen both"),
    ("rudp-run --mem 1M 2M 3M rudp-completin", "rudp-run --mem 1M 2M 3M rudp-completing-test"),
)
SETUP = {
    "bash": (["bash", "--norc", "--noprofile", "-i"],
             "bind 'set enable-bracketed-paste off'; bind 'set bell-style none'; "
             "for f in %s/*.bash; do . $f; done; PS1='@''@ '; echo rea''dy\n"),
    "zsh": (["zsh", "-f", "-i"],
            "unsetopt zle_bracketed_paste prompt_sp; zle_highlight=(none); "
            "fpath=(%s $fpath); autoload -Uz compinit; compinit -u -D; PS1='@''@ '; "
            "zstyle ':completion:*' menu no; echo rea''dy\n"),
}


def read_until(fd, pattern, what):
    seen = b""
    end = time.monotonic() + 20
    while not re.search(pattern, seen):
        if time.monotonic() > end:
            sys.exit("%s: %r" % (what, seen[-300:]))
        if select.select([fd], [], [], 0.2)[0]:
            seen += os.read(fd, 65536)


shell, directory = sys.argv[1:]
argv, setup = SETUP[shell]
os.environ.update(TERM="dumb", COLUMNS="200", ZDOTDIR="/nonexistent")
pid, fd = pty.fork()
if pid == 0:
    os.execvp(argv[0], argv)
os.write(fd, (setup % directory).encode())
read_until(fd, rb"ready\r?\n(.|\n)*@@ ", "the shell starts")
for typed, whole in CASES:
    # what the line has become is echoed: ^A goes to its start, ^E to its end
    os.write(fd, typed.encode() + b"\t\x01echo '\x05'.\n")
    read_until(fd, b"\n" + re.escape(whole).encode() + rb"[ =]?\.\r?\n(.|\n)*@@ ",
               "%s does not complete '%s' to '%s'" % (shell, typed, whole))
os.close(fd)
os.waitpid(pid, 0)
