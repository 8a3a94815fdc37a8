#!/bin/bash
# nginx with a master and two workers, which share what the master listens on.
NGINX_PART=workers
E2E_BIG=67108864
. "$(dirname "$0")/run_nginx.sh"
