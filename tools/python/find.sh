# Sets $python to a Python that runs the tools: 3.11 or newer, able to make a virtual environment. Sourced by sh scripts.
# Tools run with -S (no site packages): they need none, and what a machine loads there can be slow.

python=
found=
for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    command -v "$candidate" >/dev/null 2>&1 || continue
    case $("$candidate" -ISc 'import sys; print(sys.version_info >= (3, 11))' 2>/dev/null) in
        True) if "$candidate" -ISc 'import ensurepip, venv' 2>/dev/null; then python=$candidate && break; fi
              found="${found:+$found, }$candidate without its venv module" ;;
        False) found="${found:+$found, }$("$candidate" -V 2>&1) as $candidate" ;;
    esac
done

if [ -z "$python" ]; then
    cat >&2 <<END
slipway: cannot continue
  where    python3 on your PATH
  found    ${found:-no Python 3 at all}
  allowed  Python 3.11 or newer, with its venv module
  do       Install one (macOS: brew install python@3.13; Debian, Ubuntu: apt-get install python3 python3-venv;
           anywhere: a python3.11 to python3.14 on PATH is found too), then run the same command again.
END
    exit 1
fi
