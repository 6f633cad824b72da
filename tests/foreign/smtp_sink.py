"""A real mail server for the tests, on 127.0.0.1, by aiosmtpd; every message is read back by Python's own `email`.

    smtp_sink.py [--port N] [--tls starttls|implicit --cert FILE --key FILE] [--user U --password P]
    smtp_sink.py --show FILE        reads one .eml and prints it like a received message

One JSON line on standard output when it listens ({"port": N}), then one for every message that it takes over.
How a recipient is treated is in its local part: `greylisted…` gets 451 the first time, `nobody…` 550, `policy…`
550 5.7.1, `full…` 452. It ends when its standard input does, so that no test leaves it behind.
"""

import argparse
import asyncio
import email
import email.policy
import json
import ssl
import sys

try:
    from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
except ImportError:
    sys.exit("the Python package aiosmtpd is missing; run ./test, which installs what the tests need")


def shown(raw, **more):
    """A message as Python's parser understands it."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    to = message["To"].addresses if message["To"] else ()
    part = lambda kind: (lambda p: p.get_content() if p else None)(message.get_body((kind,)))
    return {
        **more,
        "headers": [name.lower() for name in message.keys()],
        "content_type": message.get_content_type(),
        "subject": message["Subject"],
        "message_id": message["Message-ID"],
        "date": message["Date"].datetime.isoformat() if message["Date"] else None,
        "auto_submitted": message["Auto-Submitted"],
        "from": str(message["From"]),
        "to": [{"name": a.display_name, "address": a.addr_spec} for a in to],
        "text": part("plain"),
        "html": part("html"),
        "defects": [repr(d) for p in message.walk() for d in p.defects],
    }


def say(what):
    print(json.dumps(what), flush=True)


class Sink:
    """What the server does with a conversation."""

    def __init__(self):
        self.seen = set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        local = address.partition("@")[0]
        if local.startswith("greylisted") and address not in self.seen:
            self.seen.add(address)
            return "451 4.7.1 greylisted, try again later"
        for beginning, answer in (
            ("nobody", "550 5.1.1 no such user"),
            ("policy", "550 5.7.1 not from you"),
            ("full", "452 4.2.2 mailbox full"),
        ):
            if local.startswith(beginning):
                return answer
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        say(
            shown(
                envelope.content,
                envelope_from=envelope.mail_from,
                envelope_to=envelope.rcpt_tos,
                login=bool(session.authenticated),
                tls=server.transport.get_extra_info("ssl_object") is not None,
                conversation=f"{session.peer[0]}:{session.peer[1]}",
            )
        )
        return "250 2.0.0 taken over"


def authenticator(user, password):
    def check(server, session, envelope, mechanism, data):
        right = isinstance(data, LoginPassword) and (data.login, data.password) == (user.encode(), password.encode())
        if right:
            return AuthResult(success=True)
        return AuthResult(success=False, handled=False, message="535 5.7.8 credentials are wrong")

    return check


async def serve(options):
    context = None
    if options.tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(options.cert, options.key)
    login = {}
    if options.user:
        login = {
            "authenticator": authenticator(options.user, options.password),
            "auth_required": True,
            "auth_require_tls": options.tls == "starttls",
        }
    if options.tls == "starttls":
        login |= {"tls_context": context, "require_starttls": True}
    sink, loop = Sink(), asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(sink, hostname="sink.example.net", loop=loop, **login),
        "127.0.0.1",
        options.port,
        ssl=context if options.tls == "implicit" else None,
    )
    say({"port": server.sockets[0].getsockname()[1]})
    await loop.run_in_executor(None, sys.stdin.read)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--show")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tls", choices=("starttls", "implicit"))
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--user")
    parser.add_argument("--password")
    options = parser.parse_args()
    if options.show:
        with open(options.show, "rb") as file:
            say(shown(file.read()))
        return
    asyncio.run(serve(options))


main()
