# What other people wrote: each test of CPython's that passes over kernel TCP
# passes over librudp, and programs do what they do. A few of them in `make
# check`, all that is installed by `make check-world`.
full_tests += %reldir%/cpython.sh %reldir%/programs.sh
dist_noinst_SCRIPTS += %reldir%/cpython.sh %reldir%/programs.sh %reldir%/suites.sh
EXTRA_DIST += %reldir%/amqp.py %reldir%/compare.py %reldir%/cpython.known \
	%reldir%/daemons.sh %reldir%/pools.sh %reldir%/aio.py %reldir%/green.py %reldir%/http.pl %reldir%/http2.js %reldir%/irc.py \
	%reldir%/jobs.py %reldir%/languages.sh %reldir%/services.sh %reldir%/sockets.escript \
	%reldir%/sockets.lua %reldir%/sockets.pl %reldir%/sockets.rb %reldir%/sockets.tcl \
	%reldir%/suites.known %reldir%/tls.js %reldir%/tools.sh %reldir%/torn.py %reldir%/twist.py %reldir%/web.sh

check-world: all tests/e2e/probe$(EXEEXT)
	@bad=0; export LONG=yes; \
	for t in 'e2e/run_postgres.sh' 'world/programs.sh all' 'world/cpython.sh all' \
			world/suites.sh; do \
		echo "== $$t"; $(TESTS_ENVIRONMENT) $(srcdir)/tests/$$t || [ $$? = 77 ] || bad=1; \
	done; exit $$bad
