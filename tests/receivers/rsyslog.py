"""A real rsyslog on loopback, from Debian's packages, with its own JSON output.

Its main queue is direct: what it has read is in the file. With the default, a queue in memory, a killed rsyslog loses
what is in there, and no sender can know. Tabs stay tabs: LEEF needs them, and the default turns them into `#011`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.receivers.debian import command, unpacked
from tests.receivers.syslog_daemon import Stored, SyslogDaemon

_CONFIGURATION = """
global(workDirectory="{folder}" maxMessageSize="512k" net.enableDNS="off" parser.escapeControlCharacterTab="off"
    {global_tls})
main_queue(queue.type="direct")
module(load="imtcp" MaxFrameSize="600000" {module_tls})
input(type="imtcp" port="{port}" address="127.0.0.1" SupportOctetCountedFraming="on")
template(name="line" type="list" option.jsonf="on") {{
    property(outname="msgid" name="msgid" format="jsonf")
    property(outname="data" name="structured-data" format="jsonf")
    property(outname="text" name="msg" format="jsonf")
}}
action(type="omfile" file="{output}" template="line")
"""


class Rsyslog(SyslogDaemon):
    """See `SyslogDaemon`; structured data comes as it was sent."""

    def root(self) -> Path:
        return unpacked("rsyslog", "rsyslog-openssl")

    def command(self) -> Sequence[str | Path]:
        root = self.root()
        (modules,) = {path.parent for path in root.glob("usr/lib/*/rsyslog/imtcp.so")}
        configuration = self.folder / "rsyslog.conf"
        configuration.write_text(self._configuration())
        program = command(root, "usr/sbin/rsyslogd")
        return [*program, "-n", "-f", configuration, "-M", modules, "-i", self.folder / "pid"]

    def stored(self, line: Mapping[str, Any]) -> Stored:
        return Stored(line["msgid"], line["data"], line["text"])

    def _configuration(self) -> str:
        global_tls = module_tls = ""
        if self.tls is not None:
            prefix = "defaultNetstreamDriver"
            global_tls = f'{prefix}="ossl" {prefix}CAFile="{self.tls.certificate}"'
            global_tls += f' {prefix}CertFile="{self.tls.certificate}" {prefix}KeyFile="{self.tls.key}"'
            module_tls = 'StreamDriver.Name="ossl" StreamDriver.Mode="1" StreamDriver.AuthMode="x509/certvalid"'
        return _CONFIGURATION.format(
            folder=self.folder, port=self.port, output=self.output, global_tls=global_tls, module_tls=module_tls
        )
