#!/usr/bin/env python3
"""compare.py [--differ] DIR KNOWN SUITE...

The results of test-suites as JUnit XML, kernel.SUITE.xml, rudp.SUITE.xml and
again.SUITE.xml in DIR: who passes in the first passes in the second, or in the
third, but for the tests that KNOWN names, with a reason each. A table at the
end, and what does not pass in the first, but ends otherwise in the second, which
decides nothing; with --differ the names of suites that differ in the first two alone."""
import os
import sys
import xml.etree.ElementTree as ET


def verdicts(path):
    out = {}
    if not os.path.exists(path) or not os.path.getsize(path):
        return out
    for case in ET.parse(path).iter("testcase"):
        tags = {child.tag for child in case}
        if tags & {"failure", "error"}:
            verdict = "failed"
        elif "skipped" in tags or case.get("result") == "skipped":
            verdict = "skipped"
        else:
            verdict = "passed"
        out[case.get("name")] = verdict
    return out


def known_ones(path):
    with open(path) as lines:
        return {line.split()[0] for line in lines if line.strip() and line[0] != "#"}


def seconds(mode, suite):
    try:
        with open(f"{where}/{mode}.{suite}.time") as f:
            return f.read().strip() + " s"
    except OSError:
        return "-"


class Suite:
    def __init__(self, name):
        self.name = name
        first, second, again = (verdicts(f"{where}/{mode}.{name}.xml")
                                for mode in ("kernel", "rudp", "again"))
        self.passed = {test for test, verdict in first.items() if verdict == "passed"}
        self.skipped = sum(verdict == "skipped" for verdict in first.values())
        # By the kernel's TCP they fail, or are skipped: no judges, but news.
        self.other = [(test, verdict, second.get(test, "not run"))
                      for test, verdict in sorted(first.items())
                      if verdict != "passed" and second.get(test, "not run") != verdict]
        self.other += [(test, "not run", verdict) for test, verdict in sorted(second.items())
                       if test not in first]
        self.bad, self.known, self.late = [], [], []
        for test in sorted(self.passed):
            if second.get(test) == "passed":
                continue
            if test in known:
                self.known.append(test)
            elif again.get(test) == "passed":
                self.late.append(test)
            else:
                self.bad.append((test, again.get(test, second.get(test, "not run"))))

    def verdict(self):
        if not self.passed:
            return "no results over the kernel's TCP"
        if self.bad:
            return f"{len(self.bad)} DIFFER"
        return "same" if not self.late else f"same ({len(self.late)} at the second try)"


args = sys.argv[1:]
differ = args[0] == "--differ"
where, known_file, *names = args[1:] if differ else args
known = known_ones(known_file)
suites = [Suite(name) for name in names]
if differ:
    print(*(suite.name for suite in suites if suite.bad))
    sys.exit()
print(f"{'suite':36} {'passed':>6} {'skipped':>7} {'known':>5} {'kernel':>7} {'librudp':>7}")
for suite in suites:
    print(f"{suite.name:36} {len(suite.passed):6} {suite.skipped:7} {len(suite.known):5} "
          f"{seconds('kernel', suite.name):>7} {seconds('rudp', suite.name):>7}  "
          f"{suite.verdict()}")
for suite in suites:
    for test in suite.late:
        print(f"{test}: passed at the second try")
    for test, verdict in suite.bad:
        print(f"{test}: passed over the kernel's TCP, {verdict} over librudp")
    for test, verdict, ours in suite.other:
        print(f"for information: {test}: {verdict} over the kernel's TCP, {ours} over librudp")
passed = sum(len(suite.passed) for suite in suites)
bad = sum(len(suite.bad) for suite in suites)
print(f"{passed} passed over the kernel's TCP, {bad} of them differ over librudp")
sys.exit(bool(bad) or not passed)
