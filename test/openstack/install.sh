#!/usr/bin/env bash
# Installs what the OpenStack test needs from Debian's packages: Neutron's server with the ML2/OVN driver, and
# MariaDB's. No service is started.
set -euo pipefail
[[ -e /usr/bin/neutron-server && -e /usr/sbin/mariadbd && -e /usr/bin/mariadb ]] && exit 0
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends neutron-server \
  mariadb-server-core mariadb-client-core
