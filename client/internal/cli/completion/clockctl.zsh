#compdef clockctl
# Completion of clockctl for zsh: see clockctl completion --help.

_clockctl() {
  local -a answer
  answer=("${(@f)$("${words[1]}" __complete zsh "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
  if [[ $answer[1] == files ]]; then
    _files
    return
  fi
  shift answer
  (( $#answer )) && _describe -V clockctl answer
}

# As a file of $fpath it is the function itself; sourced, it has to make itself known.
if [[ $funcstack[1] == _clockctl ]]; then
  _clockctl "$@"
elif (( $+functions[compdef] )); then
  compdef _clockctl clockctl
fi
