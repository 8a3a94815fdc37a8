"""programs.py - the programs that a measurement starts, natively or under librudp."""
import os
import re
import signal
import subprocess
import tempfile

PRELOAD = os.environ.get("PRELOAD") or os.environ.get("LIBRUDP") or ""
BUILD = os.environ.get("top_builddir", ".")
PROBE = f"{BUILD}/tests/e2e/probe"
LO = "127.0.0.1"
OURS = ("rudp", "huge", "again")


class Failed(Exception):
    """A measurement that did not come to an end."""


class Place:
    """Where a program runs: a network namespace and its address."""

    def __init__(self, address, prefix=()):
        self.address = address
        self.prefix = list(prefix)


class Program:
    """A child: started in a mode and a place, killed at the end of `with`."""

    def __init__(self, side, place, argv, cpu=None, stdin=subprocess.DEVNULL):
        self.log = tempfile.TemporaryFile("w+")
        pin = ["taskset", "-c", str(cpu)] if cpu is not None else []
        self.argv = argv
        self.usage = None
        self.process = subprocess.Popen(
            place.prefix + pin + in_mode(side) + argv, stdin=stdin,
            stdout=subprocess.PIPE, stderr=self.log, text=True)

    @staticmethod
    def domain(side):
        return f"bench-{side}-{os.getpid()}"

    def __enter__(self):
        return self

    def end(self):
        if self.usage is None:
            os.kill(self.process.pid, signal.SIGKILL)   # a zombie at worst
            self.wait()

    def __exit__(self, *_):
        self.end()
        self.process.stdout.close()
        self.log.close()

    def line_with(self, pattern):
        """Waits for a line of output that matches."""
        for line in self.process.stdout:
            found = re.search(pattern, line)
            if found:
                return found
        self.wait()
        raise Failed(f"{self.argv[0]} ended: {self.errors()}")

    def errors(self):
        self.log.seek(0)
        return self.log.read()[-300:].strip()

    def wait(self):
        """Waits for the end; the resources used are kept."""
        _, status, self.usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        return self.process.returncode

    def output(self):
        """All that it says, when it has ended well."""
        text = self.process.stdout.read()
        if self.wait() != 0:
            raise Failed(f"{' '.join(self.argv[:3])}: status "
                         f"{self.process.returncode}: {text[-300:].strip()} {self.errors()}")
        return text

    def cpu(self):
        return self.usage.ru_utime + self.usage.ru_stime


def in_mode(side):
    if side not in OURS:
        return ["env"]
    limits = ["RUDP_MEM=1024G 1024G 1024G"] if side == "huge" else []
    return ["env", f"LD_PRELOAD={PRELOAD}", f"RUDP_DOMAIN={Program.domain(side)}"] + limits


def free_port():
    return subprocess.run([PROBE, "port"], stdout=subprocess.PIPE, text=True,
                          check=True).stdout.strip()


def wait_ready(side, port, program):
    with Program(side, Place(LO), [PROBE, "wait", LO, port, "10",
                                   str(program.process.pid)]) as probe:
        probe.output()


def nginx(side, port, directory, workers=0):
    """In one process, or with so many workers, as a Program."""
    head = (f"user root; worker_processes {workers};" if workers else "master_process off;")
    if os.getuid():
        head = head.replace("user root;", "")
    with open(f"{directory}/page", "w", encoding="ascii") as page:
        page.write("x" * 1024)
    with open(f"{directory}/nginx.conf", "w", encoding="ascii") as conf:
        paths = " ".join(f"{k}_temp_path {directory}/{k};" for k in
                         ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        conf.write(f"daemon off; {head} pid {directory}/pid; error_log stderr crit;"
                   "events { worker_connections 1024; } http { access_log off; "
                   f"keepalive_requests 100000000; {paths}"
                   f"server {{ listen {LO}:{port}; root {directory}; }} }}")
    return Program(side, Place(LO), ["nginx", "-p", directory, "-c", f"{directory}/nginx.conf"])
