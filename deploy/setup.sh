#!/usr/bin/env bash
# Installs what building (and, with "test", testing) needs on a Debian 12 or newer machine.
#
#   deploy/setup.sh build        compiler, libraries, Boost headers
#   deploy/setup.sh quickstart   the same, and the web server that quickstart.sh uses as origin
#   deploy/setup.sh test         the same, and the real servers that tests start
#   deploy/setup.sh sanitize     the same, and what makes reports of sanitizers readable
#
# Runs as root or through sudo. A second run only checks and returns at once.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
what=${1:-build}
case "$what" in
  build | quickstart | test | sanitize) ;;
  *)
    echo "usage: $0 build|quickstart|test|sanitize" >&2
    exit 2
    ;;
esac

build_packages=(
  ca-certificates ccache clang-19 cmake git libclang-rt-19-dev lld-19 ninja-build pkg-config
  libabsl-dev libcli11-dev libcurl4-openssl-dev libfmt-dev libgmock-dev libgrpc++-dev libgtest-dev
  libbenchmark-dev libhiredis-dev libisal-dev libmysqlcppconn-dev libprotobuf-dev libre2-dev
  libspdlog-dev libsqlite3-dev libssl-dev libyaml-cpp-dev nlohmann-json3-dev prometheus-cpp-dev
  protobuf-compiler protobuf-compiler-grpc
  curl iproute2 openssl procps python3
)
test_packages=(
  containerd docker-registry e2fsprogs mariadb-server nginx-light redis-server runc skopeo
)

packages=("${build_packages[@]}")
case "$what" in
  quickstart) packages+=(nginx-light) ;;
  test) packages+=("${test_packages[@]}") ;;
  sanitize) packages+=("${test_packages[@]}" llvm-19) ;;
esac

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    echo "setup: this must run as root, or sudo must be installed" >&2
    exit 1
  fi
}

missing=()
for package in "${packages[@]}"; do
  if ! dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed'; then
    missing+=("$package")
  fi
done

if [ ${#missing[@]} -gt 0 ]; then
  echo "setup: installing ${missing[*]}"
  # Installing a server must not start it: the tests start their own, on free ports.
  policy=/usr/sbin/policy-rc.d
  created_policy=no
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
    created_policy=yes
  fi
  remove_policy() { [ "$created_policy" = no ] || as_root rm -f "$policy"; }
  trap remove_policy EXIT
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
    "${missing[@]}"
fi

# Asio before Boost 1.77 cannot cancel one operation. libboost1.81-dev cannot be installed beside
# the 1.74 that libmysqlcppconn-dev needs, so its headers are unpacked into a private prefix.
boost="$root/.deps/boost/usr/include/boost/version.hpp"
system_boost=$(sed -n 's/^#define BOOST_VERSION \([0-9]*\).*/\1/p' \
  /usr/include/boost/version.hpp 2>/dev/null || true)
if [ ! -e "$boost" ] && [ "${system_boost:-0}" -lt 107700 ]; then
  echo "setup: unpacking the Boost 1.81 headers into .deps/boost"
  work=$(mktemp -d)
  chmod 755 "$work"
  (cd "$work" && apt-get download -q libboost1.81-dev && dpkg -x libboost1.81-dev_*.deb unpacked)
  mkdir -p "$root/.deps"
  rm -rf "$root/.deps/boost"
  mv "$work/unpacked" "$root/.deps/boost"
  rm -rf "$work"
fi
