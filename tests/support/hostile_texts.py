"""Texts that mean something in HTML, Markdown, templates, spreadsheets or a terminal, as a server may send them."""

HOSTILE = (
    "<script>alert(1)</script>",
    "<!-- --><img src=x onerror=alert(1)>",
    "\x1b[2J\x1b]0;title\x07",
    "]]>",
    "=cmd|' /C calc'!A0",
    "${jndi:ldap://x}",
    "a\u2028b\u2029c",
    "`",
    "```\n# heading\n```",
    "`` ` ```` ~~~",
    "::error::file=x",
    "one\r\ntwo\n\n| three |",
    "{{ lookup('pipe','id') }}",
    "{% include secret %}{# comment #}",
    "[link](javascript:alert(1)) ![image](http://x.example/y.png) <http://x.example>",
    "http://x.example/ www.x.example a@x.example",
    "a \\| b | c \\\\| d \\",
    "&lt;b&gt; &#60;b&#62;",
    "*bold* _em_ ~~gone~~ # - 1. >",
    " leading and trailing ",
)
