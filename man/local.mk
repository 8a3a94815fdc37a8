# Manual pages.
dist_man_MANS += \
	%reldir%/librudp.7 \
	%reldir%/rudp.7 \
	%reldir%/rudp_mem.3 \
	%reldir%/rudp-run.1 \
	%reldir%/rudpstat.1
