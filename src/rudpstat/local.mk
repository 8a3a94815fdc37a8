# What users run: rudpstat reads a domain, rudp-run starts a program in one.
