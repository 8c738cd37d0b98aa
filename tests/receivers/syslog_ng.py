"""A real syslog-ng on loopback, from Debian's packages, with its own JSON output.

With flow control it stops reading when its file does not keep up, so what it has in memory stays small.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.receivers.debian import command, unpacked
from tests.receivers.syslog_daemon import Stored, SyslogDaemon

_CONFIGURATION = """
@version: 3.38
options {{ keep-hostname(yes); use-dns(no); stats-freq(0); log-msg-size(524288); }};
source s_net {{ syslog(ip("127.0.0.1") port({port}) {transport} max-connections(100)); }};
destination d_file {{ file("{output}" template("$(format-json --scope rfc5424 --key .SDATA.*)\\n")); }};
log {{ source(s_net); destination(d_file); flags(flow-control); }};
"""


class SyslogNg(SyslogDaemon):
    """See `SyslogDaemon`; structured data comes as syslog-ng has read it."""

    def root(self) -> Path:
        return unpacked("syslog-ng-core")

    def command(self) -> Sequence[str | Path]:
        root = self.root()
        (modules,) = {path.parent for path in root.glob("usr/lib/syslog-ng/*/libsyslogformat.so")}
        configuration = self.folder / "syslog-ng.conf"
        configuration.write_text(self._configuration())
        files = [f"--{name}={self.folder / name}" for name in ("persist-file", "pidfile", "control")]
        return [
            *command(root, "usr/sbin/syslog-ng"),
            "-F",
            "--no-caps",
            f"--cfgfile={configuration}",
            f"--module-path={modules}",
            *files,
        ]

    def stored(self, line: Mapping[str, Any]) -> Stored:
        (data,) = line["_SDATA"].values()
        return Stored(line["MSGID"], data, line["MESSAGE"])

    def _configuration(self) -> str:
        transport = 'transport("tcp")'
        if self.tls is not None:
            files = f'key-file("{self.tls.key}") cert-file("{self.tls.certificate}") ca-file("{self.tls.certificate}")'
            transport = f'transport("tls") tls({files} peer-verify(required-trusted))'
        return _CONFIGURATION.format(port=self.port, output=self.output, transport=transport)
