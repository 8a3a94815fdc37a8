# bash completion for rudpstat(1)

_rudpstat()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
	local states="established syn-sent fin-wait-1 fin-wait-2 time-wait closed
		close-wait last-ack listening closing all connected synchronized"

	case $prev in
	-d|--domain)
		COMPREPLY=($(compgen -W "$(cd /dev/shm && ls -d "rudp.$UID."* 2>/dev/null |
			sed "s/^rudp\.$UID\.//")" -- "$cur"))
		return ;;
	--set)
		COMPREPLY=($(compgen -W "mem= rmem= wmem= rmem_max= wmem_max= max_orphans=
			notsent_lowat= reserve= ssthresh_metrics=" -- "$cur"))
		compopt -o nospace 2>/dev/null
		return ;;
	--color)
		COMPREPLY=($(compgen -W "auto always never" -- "$cur"))
		return ;;
	state|exclude)
		COMPREPLY=($(compgen -W "$states" -- "$cur"))
		return ;;
	pid)
		COMPREPLY=($(compgen -W "$(rudpstat -a -H 2>/dev/null |
			sed -n 's/.*pid=\([0-9]*\).*/\1/p' | sort -u)" -- "$cur"))
		return ;;
	comm)
		COMPREPLY=($(compgen -W "$(rudpstat -a -H 2>/dev/null |
			sed -n 's/.*users:(("\([^"]*\)".*/\1/p' | sort -u)" -- "$cur"))
		return ;;
	id|--trace)
		COMPREPLY=($(compgen -W "$(rudpstat -ai -H 2>/dev/null |
			sed -n 's/.*  id:\([0-9a-f]*\).*/\1/p')" -- "$cur"))
		return ;;
	src|dst|sport|dport|port)
		return ;;
	esac
	if [[ $cur == -* ]]; then
		COMPREPLY=($(compgen -W "--sockets --listening --all --memory --info --counters
			--zeros --no-update --watch --json --prometheus --trace --domain --no-header
			--color --kill --set --reap --help --version" -- "$cur"))
	else
		COMPREPLY=($(compgen -W "state exclude src dst sport dport port pid comm id" \
			-- "$cur"))
	fi
}
complete -F _rudpstat rudpstat
