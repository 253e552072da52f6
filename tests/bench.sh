#!/usr/bin/env bash
# Compares the chapters with other proxies and a floor; first lists tools that are not installed.
#
#   tests/bench.sh                      everything, about 40 minutes; arguments go to `cargo bench-lb`
#   tests/bench.sh --quick              a smoke test
#   tests/bench.sh --criterion          the criterion suites against their saved baseline `main`
#   tests/bench.sh --criterion NAME     against the baseline NAME
#
# The first run with --criterion and a new NAME saves the baseline; later ones print what got slower beyond its noise,
# and exit with 1 if something did. Method and reading: tests/bench/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."

# Program and package, for `apt-get install`. wrk is not used here, but is useful to cross-check results. Pingora's
# build needs cmake.
tools=(nginx:nginx-light haproxy:haproxy strace:strace wrk:wrk cmake:cmake)

print_missing_tools() {
    local tool absent=()
    # Servers are installed in directories that are not in every user's PATH.
    local PATH="$PATH:/usr/sbin:/usr/local/sbin"
    for tool in "${tools[@]}"; do
        command -v "${tool%%:*}" >/dev/null || absent+=("${tool##*:}")
    done
    if [ "${#absent[@]}" -gt 0 ]; then
        echo "not installed: apt-get install ${absent[*]}"
    fi
}

criterion() {
    local name=$1 log code=0
    if [[ ! $name =~ ^[A-Za-z0-9_.-]+$ ]]; then
        echo "bench.sh: invalid baseline name '$name'" >&2
        exit 64
    fi
    local target="${CARGO_TARGET_DIR:-target}"
    if ! find "$target/criterion" -type d -name "$name" -print -quit 2>/dev/null | grep -q .; then
        cargo bench --workspace -- --save-baseline "$name"
        echo "saved baseline $name; run this again after a change"
        return
    fi
    log="$(mktemp)"
    # Not --baseline: a suite that is newer than the baseline would end the run.
    cargo bench --workspace -- --baseline-lenient "$name" >"$log" 2>&1 || code=$?
    if [ "$code" -ne 0 ]; then
        cat "$log"
        rm -f "$log"
        exit "$code"
    fi
    # A benchmark is a name at the start of a line, then its indented figures.
    code=0
    awk '
        /^[^ \t]/ { name = $0; sub(/ +time:.*/, "", name); change = "-" }
        # With a throughput the change takes two lines more, of which the first is the time.
        /change:/ { change = $0; sub(/^.*change: */, "", change); next }
        /time:/ && change == "" { change = $0; sub(/^.*time: */, "", change) }
        /Performance has regressed/ { print "slower: " name "  " change; slower = 1 }
        END { if (!slower) print "nothing got slower beyond its noise"; exit slower }
    ' "$log" || code=1
    rm -f "$log"
    exit "$code"
}

if [ "${1:-}" = --criterion ]; then
    if [ "$#" -gt 2 ]; then
        echo "bench.sh: --criterion takes one name" >&2
        exit 64
    fi
    criterion "${2:-main}"
    exit
fi
print_missing_tools
exec cargo bench-lb "$@"
