#!/bin/sh
# Puts the launcher beside an engine, in its image: an environment of its own, which the engine's Python does not see.
set -eu
python3 -m venv --without-pip /opt/slipway
python3 -m pip --python /opt/slipway install --no-cache-dir --no-deps --require-hashes -r /source/requirements/gateway.txt
cp -R /source/serving_image/serving "$(/opt/slipway/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
/opt/slipway/bin/python -m compileall -q /opt/slipway
# torch asks who it runs as.
grep -q '^[^:]*:[^:]*:10001:' /etc/passwd || echo 'slipway:x:10001:10001:slipway:/cache:/nonexistent' >> /etc/passwd
grep -q '^[^:]*:[^:]*:10001:' /etc/group || echo 'slipway:x:10001:' >> /etc/group
mkdir -p /cache /etc/slipway
# Nobody who runs here becomes somebody else.
find / -xdev -type f -perm /6000 -exec chmod a-s {} +
