#!/usr/bin/env bash
# Builds and runs every test of the workspace and prints the ladder of results.
#
#   tests/run_all.sh            everything
#   tests/run_all.sh 3          only chapter 3's ladder
#   tests/run_all.sh --full     also the long cases
#
# The last line is "N passed, N failed, N skipped"; the exit code is 0 only if nothing failed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

chapter=""
full=""
for word in "$@"; do
    case "$word" in
        --full) full=1 ;;
        [0-9] | [0-9][0-9]) chapter="$word" ;;
        *)
            echo "run_all.sh: unknown argument '$word'; expected a chapter's number or --full" >&2
            exit 64
            ;;
    esac
done
[ -n "$full" ] && export LADDER_FULL=1

# Most tests wait for deadlines and compute little: one per core would leave the cores idle.
threads=$((3 * $(getconf _NPROCESSORS_ONLN)))
log="$(mktemp -d)"
trap 'rm -rf "$log"' EXIT
status=0
passed=0
failed=0
skipped=0

# Adds up every "test result: ok. 3 passed; 0 failed; 1 ignored; ...". Ignored tests are the reader's exercises
# and the excerpts on pages (fences marked `ignore`), which do not count as skipped.
count_libtest() {
    local sums p f
    sums="$(awk '/^test result: / {
        for (i = 2; i <= NF; i++) {
            if ($i ~ /^passed/) p += $(i - 1)
            if ($i ~ /^failed/) f += $(i - 1)
        }
    } END { print p + 0, f + 0 }' "$1")"
    read -r p f <<<"$sums"
    passed=$((passed + p)) failed=$((failed + f))
}

# Adds up nextest's "Summary [ 1.0s] 3 tests run: 2 passed (1 slow), 1 failed, 4 skipped".
count_nextest() {
    local line p f t
    line="$(grep -E 'Summary \[' "$1" | tail -n 1)"
    number() { sed -nE "s/.*[^0-9]([0-9]+) $1.*/\1/p" <<<"$line"; }
    p="$(number passed)" f="$(number failed)" t="$(number 'timed out')"
    passed=$((passed + ${p:-0})) failed=$((failed + ${f:-0} + ${t:-0}))
}

# Runs a step with its output in a file, shown only if the step fails.
step() {
    local name="$1" file="$2"
    shift 2
    echo "--- $name"
    if ! "$@" >"$file" 2>&1; then
        status=1
        cat "$file"
    fi
}

if [ -z "$chapter" ]; then
    # Without the benchmarks, which no test runs; clippy checks them.
    step "build" "$log/build" cargo build --workspace --lib --bins --examples --tests
    if [ "$status" -ne 0 ]; then
        echo "the build failed"
        exit 1
    fi
    # The ladders have their own table below; everything else runs here.
    if cargo nextest --version >/dev/null 2>&1; then
        step "tests" "$log/tests" cargo nextest run --workspace --no-fail-fast --no-tests=pass \
            --color never --test-threads "$threads" -E 'not binary(=ladder)'
        count_nextest "$log/tests"
    else
        # `cargo test` cannot exclude a target, so all the others are named.
        others=()
        for file in */tests/*.rs */tests/*/main.rs */exercises/tests/*/main.rs; do
            name="${file##*tests/}" name="${name%/main.rs}" name="${name%.rs}"
            [ "$name" = ladder ] || others+=(--test "$name")
        done
        step "tests" "$log/tests" env RUST_TEST_THREADS="$threads" cargo test --workspace --no-fail-fast --lib --bins --examples "${others[@]}"
        count_libtest "$log/tests"
    fi
    step "documentation tests" "$log/doc" cargo test --workspace --no-fail-fast --doc
    count_libtest "$log/doc"
fi

echo "--- ladder"
cargo build --quiet -p integration-tests --bin ladder || exit 1
cargo run --quiet -p integration-tests --bin ladder -- --verbose $chapter >"$log/ladder" 2>&1 || status=1
# The ladder's last line is its own total, which is included in the script's total below.
sed '$d' "$log/ladder"
sum="$(tail -n 1 "$log/ladder")"
if [[ "$sum" =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
    passed=$((passed + BASH_REMATCH[1]))
    failed=$((failed + BASH_REMATCH[2]))
    skipped=$((skipped + BASH_REMATCH[3]))
else
    echo "$sum"
    status=1
fi

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] || status=1
exit "$status"
