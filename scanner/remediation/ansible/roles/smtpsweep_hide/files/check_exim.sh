#!/bin/sh
# check_exim.sh PROGRAM BANNER FILE
# Succeeds when Exim reads the configuration FILE, greets with BANNER, and shows no version in Received: lines.
program=$1 banner=$2 file=$3

if ! said=$("$program" -C "$file" -bV 2>&1); then
  printf 'Exim does not accept this configuration: %s\n' "$said" >&2
  exit 1
fi
value=$("$program" -C "$file" -n -bP smtp_banner) || exit
if test "$value" != "$banner"; then
  printf 'smtp_banner is not as it should be: %s\n' "$value" >&2
  exit 1
fi
text=$("$program" -C "$file" -n -bP received_header_text) || exit
case "$text" in
  *version_number* | *exim_version*)
    printf 'received_header_text shows the version: %s\n' "$text" >&2
    exit 1
    ;;
esac
# Reading a configuration does not try what its texts expand to. By way of standard input: arguments may not be long.
said=$(printf '%s\n' "$banner" "$text" | "$program" -C "$file" -be 2>&1)
case "$said" in
  *Failed:*)
    printf 'Exim cannot expand a text of this configuration: %s\n' "$said" >&2
    exit 1
    ;;
esac
