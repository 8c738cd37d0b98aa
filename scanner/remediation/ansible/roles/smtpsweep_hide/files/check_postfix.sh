#!/bin/sh
# check_postfix.sh BANNER FOLDER
# Succeeds when Postfix reads the configuration in FOLDER and every service greets with BANNER. Changes nothing.
banner=$1 folder=$2

if ! said=$(postfix -c "$folder" check 2>&1); then
  printf 'Postfix does not accept this configuration: %s\n' "$said" >&2
  exit 1
fi
value=$(postconf -c "$folder" -h smtpd_banner) || exit
if test "$value" != "$banner"; then
  printf 'smtpd_banner is not as it should be: %s\n' "$value" >&2
  exit 1
fi
others=$(postconf -c "$folder" -P '*/*/smtpd_banner') || exit
if test -n "$others"; then
  printf 'A service of master.cf has a greeting of its own: %s\n' "$others" >&2
  exit 1
fi
# An empty value, or a name that stands for nothing, would keep smtpd from starting.
case "$(postconf -c "$folder" -x -h smtpd_banner)" in
  ?*" ESMTP") ;;
  *) echo "smtpd_banner has no host name in it" >&2; exit 1 ;;
esac
