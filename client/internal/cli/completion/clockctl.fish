# Completion of clockctl for fish: see clockctl completion --help.

function __clockctl_complete
    set -l before (commandline --tokenize --current-process --cut-at-cursor)
    set -l current (commandline --current-token --cut-at-cursor)
    set -l word (string unescape -- "$current")
    set -l answer ($before[1] __complete fish $before[2..-1] "$word" 2>/dev/null)
    if test "$answer[1]" = files
        __fish_complete_path $current
    else
        printf '%s\n' $answer[2..-1]
    end
end

complete --command clockctl --no-files --arguments '(__clockctl_complete)'
