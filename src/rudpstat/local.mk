# rudpstat and rudp-run.
