# Completion for shells, where bash-completion and zsh look for it.
bashcompdir = $(datadir)/bash-completion/completions
zshcompdir = $(datadir)/zsh/site-functions
EXTRA_DIST += %D%/rudpstat.bash %D%/rudp-run.bash
dist_zshcomp_DATA = %D%/_rudpstat %D%/_rudp-run

install-data-hook:
	$(MKDIR_P) '$(DESTDIR)$(bashcompdir)'
	$(INSTALL_DATA) '$(srcdir)/%D%/rudpstat.bash' '$(DESTDIR)$(bashcompdir)/rudpstat'
	$(INSTALL_DATA) '$(srcdir)/%D%/rudp-run.bash' '$(DESTDIR)$(bashcompdir)/rudp-run'

uninstall-hook:
	rm -f '$(DESTDIR)$(bashcompdir)/rudpstat' '$(DESTDIR)$(bashcompdir)/rudp-run'
