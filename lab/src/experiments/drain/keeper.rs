//! What starts nginx where its program is replaced under it, tells it to, and ends it: a script for sh(1). A master whose parent is
//! still the one that started it ignores SIGUSR2 (ngx_signal_handler, os/unix/ngx_process.c), so a shell starts it that ends as
//! soon as it runs. It starts its program again by the path that it was given.

/// SIGUSR2 replaces nginx, SIGTERM ends it. If it is not replaced, the keeper ends it, says so, and ends with 1. Every wait has an
/// end. nginx removes its file with its number when it is done.
const SCRIPT: &str = "
cd {directory}
within() { left=$1; until eval \"$2\"; do [ $left -gt 0 ] || return 1; left=$((left - 1)); sleep 0.01; done; }
end() {
    # A new master may be about to write its number.
    within 100 '[ -s nginx.pid ]'
    all=$(cat nginx.pid nginx.pid.oldbin 2> /dev/null)
    [ -n \"$all\" ] || return
    kill $all
    within 200 '[ ! -e nginx.pid ] && [ ! -e nginx.pid.oldbin ]' || kill -KILL $all
}
need() { within 300 \"$1\" || { echo \"nginx was not replaced: $1\" >&2; end; exit 1; }; }
replace() {
    kill -USR2 $(cat nginx.pid)
    need '[ -e nginx.pid.oldbin ] && [ -s nginx.pid ]'
    kill -QUIT $(cat nginx.pid.oldbin)
    need '[ ! -e nginx.pid.oldbin ]'
}
trap 'end; exit 0' TERM
trap replace USR2
($(command -v nginx) {arguments} & within 300 '[ -s nginx.pid ]') &
while :; do sleep 1 & wait $!; done
";

/// The script, in which `{directory}` is where it works.
pub(super) fn script(arguments: &str) -> String {
    SCRIPT.replace("{arguments}", arguments)
}

#[cfg(test)]
mod tests;
