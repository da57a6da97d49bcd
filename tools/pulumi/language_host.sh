#!/bin/sh
# The Pulumi engine starts this as pulumi-language-python; it runs tools/pulumi/language_host.py of the checkout that
# it stands in (.tools/pulumi/<version>/bin) with that checkout's .venv. Found from its own place, so a checkout can move.
folder=$(cd -P "$(dirname "$0")" && pwd -P) || exit 1
checkout=${folder%/.tools/pulumi/*/bin}
python=$checkout/.venv/bin/python
if [ ! -x "$python" ]; then
    cat >&2 <<END
slipway: cannot continue
  where    $python
  found    no Python there, so no Pulumi program can run
  allowed  the virtual environment that the tools make
  do       Run tools/python/install in $checkout.
END
    exit 1
fi
exec "$python" -P "$checkout/tools/pulumi/language_host.py" --executor "$folder/pulumi-language-python-exec" "$@"
