# Rules of the project that a script can check.

dist_noinst_SCRIPTS += %reldir%/man %reldir%/env_documented
core_tests += %reldir%/man %reldir%/env_documented
