# Test-suites of other people: each test that passes over kernel TCP passes over
# librudp. A few of them in `make check`, all of them by `make check-world`.
full_tests += %reldir%/cpython.sh
dist_noinst_SCRIPTS += %reldir%/cpython.sh
EXTRA_DIST += %reldir%/compare.py %reldir%/cpython.known
