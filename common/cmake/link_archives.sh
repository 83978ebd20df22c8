#!/bin/sh
# link_archives.sh COMPILER ARGUMENT...: links a program from the archives of its libraries.
#
# Every /path/libname.so[.1.2] becomes /path/libname.a if there is one. Archives do not name what they need
# themselves as shared libraries do, so those of Abseil and OpenSSL's libcrypto are offered as well; LLD takes
# what is asked for.
set -eu

folder=
count=$#
while [ "$count" -gt 0 ]; do
  argument=$1
  shift
  count=$((count - 1))
  case $argument in
    -lre2)  # Named by gRPC's package.
      [ -f "$folder/libre2.a" ] && argument=$folder/libre2.a
      ;;
    /*.so | /*.so.*)
      archive=${argument%%.so*}.a
      if [ -f "$archive" ]; then
        argument=$archive
        folder=${archive%/*}
      fi
      ;;
  esac
  set -- "$@" "$argument"
done
if [ -n "$folder" ]; then
  for archive in "$folder"/libabsl_*.a "$folder/libcrypto.a"; do
    [ -f "$archive" ] && set -- "$@" "$archive"
  done
fi
exec "$@" -Wl,--gc-sections
