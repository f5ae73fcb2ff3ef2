//! What starts nginx where its program is replaced under it, tells it to, and ends it: a script for sh(1). A master whose parent is
//! still the one that started it ignores SIGUSR2 (ngx_signal_handler, os/unix/ngx_process.c), so a shell starts it that ends as
//! soon as it runs. It starts its program again by the path that it was given.

/// Each SIGUSR2 replaces nginx once, SIGTERM ends it. If it is not replaced, the keeper ends it, says so, and ends with 1. Every
/// wait has an end. nginx removes its file with its number when it is done. Signals are only noted: what a trap does may come
/// between any two commands, and of those that wait one changes what the other counts.
const SCRIPT: &str = "
cd {directory}
within() { left=$1; until eval \"$2\"; do [ $left -gt 0 ] || return 1; left=$((left - 1)); sleep 0.01; done; return 0; }
end() {
    # One that has just begun has not written its number yet.
    within 100 '[ -s nginx.pid ]'
    all=$(cat nginx.pid nginx.pid.oldbin 2> /dev/null)
    [ -n \"$all\" ] || return
    kill $all 2> /dev/null
    within 200 '[ ! -e nginx.pid ] && [ ! -e nginx.pid.oldbin ]' || kill -KILL $all 2> /dev/null
}
need() { within 300 \"$1\" || { echo \"nginx was not replaced: $1\" >&2; end; exit 1; }; }
replace() {
    kill -USR2 $(cat nginx.pid)
    need '[ -e nginx.pid.oldbin ] && [ -s nginx.pid ]'
    kill -QUIT $(cat nginx.pid.oldbin)
    need '[ ! -e nginx.pid.oldbin ]'
}
asked=0 is_over=no
trap 'asked=$((asked + 1))' USR2
trap is_over=yes TERM
($(command -v nginx) {arguments} & within 300 '[ -s nginx.pid ]') &
until [ $is_over = yes ]; do
    if [ $asked -gt 0 ]; then asked=$((asked - 1)); replace; else sleep 0.01; fi
done
end
exit 0
";

/// The script, in which `{directory}` is where it works.
pub(super) fn script(arguments: &str) -> String {
    SCRIPT.replace("{arguments}", arguments)
}

#[cfg(test)]
mod tests;
