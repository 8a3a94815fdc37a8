# bash completion for rudp-run(1)

_rudp_run()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} i

	case $prev in
	-d|--domain)
		COMPREPLY=($(compgen -W "$(cd /dev/shm && ls -d "rudp.$UID."* 2>/dev/null |
			sed "s/^rudp\.$UID\.//")" -- "$cur"))
		return ;;
	-c|--cc)
		COMPREPLY=($(compgen -W "cubic reno bbr" -- "$cur"))
		return ;;
	-l|--library)
		COMPREPLY=($(compgen -f -- "$cur"))
		return ;;
	--listen)
		COMPREPLY=($(compgen -W "both rudp" -- "$cur"))
		return ;;
	--fallback)
		COMPREPLY=($(compgen -W "tcp off" -- "$cur"))
		return ;;
	-m|--mem|-w|--wmem|-r|--rmem|--match)
		return ;;
	esac
	# behind the options stands a program, with words of its own
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-d|-c|-l|--domain|--cc|--library|--match|--listen|--fallback) ((i++)) ;;
		-m|-w|-r|--mem|--wmem|--rmem) [[ ${COMP_WORDS[i+1]-} == *[\ \"\']* ]] && ((i++)) || ((i += 3)) ;;
		--) ((i++)); break ;;
		-*) ;;
		*) break ;;
		esac
	done
	if ((i < COMP_CWORD)) && declare -F _command_offset >/dev/null; then
		_command_offset $i
	elif [[ $cur == -* ]] && ((i >= COMP_CWORD)); then
		COMPREPLY=($(compgen -W "--domain --mem --wmem --rmem --cc --match --listen --fallback --check --library
			--help --version" -- "$cur"))
	else
		COMPREPLY=($(compgen -c -- "$cur"))
	fi
}
complete -F _rudp_run rudp-run
