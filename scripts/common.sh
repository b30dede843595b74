# shellcheck shell=bash
# Sourced by the scripts beside it: where the repository is, how to talk, what the tools need to know.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tools=$root/build/tools
export PATH="$tools/bin:$tools/node_modules/.bin:$PATH:/usr/local/go/bin"

# Objects are shared between checkouts, wherever they are.
export CCACHE_BASEDIR="$root" CCACHE_NOHASHDIR=1

say() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }
die() {
  say "$*"
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }
