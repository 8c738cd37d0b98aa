#!/bin/sh
# check_sendmail.sh PROGRAM sendmail|submit HELPFILE FILE
# Succeeds when Sendmail reads the configuration FILE and no version is left in it. Starts no server, changes nothing.
program=$1 part=$2 help=$3 file=$4

# Exit code 70: a line that Sendmail does not know, such as a define() of m4 in a .cf file. It would not start again.
if ! said=$("$program" -C "$file" -bt </dev/null 2>&1); then
  printf 'Sendmail does not accept this configuration: %s\n' "$said" >&2
  exit 70
fi

# Header lines of a configuration begin with H and go on in lines that begin with white space.
leaking=$(awk '/^[ \t]/ { whole = whole $0; next } { if (whole ~ /^H/) print whole; whole = $0 }
  END { if (whole ~ /^H/) print whole }' "$file" | grep -F -e '$v' -e '$Z')
if test -n "$leaking"; then
  printf 'A header line of this configuration shows the version: %s\n' "$leaking" >&2
  exit 1
fi

test "$part" = sendmail || exit 0
said=$("$program" -C "$file" -d37.8 -bt </dev/null 2>&1) || exit
value() { printf '%s\n' "$said" | sed -n "s/^setoption $1 ([^)]*)=//p" | tail -n 1; }
if test "$(value SmtpGreetingMessage)" != '$j'; then
  echo "The greeting is not the host's name alone: $(value SmtpGreetingMessage)" >&2
  exit 1
fi
if test "$(value HelpFile)" != "$help"; then
  echo "The help file is not $help: $(value HelpFile)" >&2
  exit 1
fi
