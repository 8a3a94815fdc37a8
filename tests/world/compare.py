#!/usr/bin/env python3
"""Two runs of a test-suite, as JUnit XML: who passes in the first passes in the
second, but for the tests that a list names, with a reason each."""
import sys
import xml.etree.ElementTree as ET


def verdicts(path):
    out = {}
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


first, second = verdicts(sys.argv[1]), verdicts(sys.argv[2])
known = known_ones(sys.argv[3])
passed = [name for name, verdict in first.items() if verdict == "passed"]
bad = [name for name in passed if second.get(name) != "passed" and name not in known]
for name in sorted(bad):
    print(f"{name}: passed over the kernel's TCP, {second.get(name, 'not run')} over librudp")
print(f"{len(passed)} passed over the kernel's TCP, {len(passed) - len(bad)} of them "
      f"over librudp or known, {len(bad)} differ")
sys.exit(bool(bad) or not passed)
