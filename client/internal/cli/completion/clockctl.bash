# Completion of clockctl for bash 4 or newer: see clockctl completion --help.

_clockctl() {
  local line kind=
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ -z $kind ]]; then
      kind=$line
    else
      COMPREPLY[${#COMPREPLY[@]}]=$line
    fi
  done < <("$1" __complete bash "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null)
  if [[ $kind == files ]]; then
    compopt -o default 2>/dev/null
  fi
}

complete -F _clockctl clockctl
