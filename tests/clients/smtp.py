"""A mail server on loopback for the tests: says its port, then each mail that it got as a line of JSON. Takes no mail while a file named 'down' is there.

smtp.py FOLDER [starttls]: with 'starttls' it insists on it and shows the certificate FOLDER/cert.pem; without, on user and password.
"""
import asyncio, email, email.policy, json, logging, os, ssl, sys, warnings
from aiosmtpd.smtp import SMTP, AuthResult

folder, tls = sys.argv[1], 'starttls' in sys.argv
logging.disable()
warnings.simplefilter("ignore")


class Keep:
    async def handle_DATA(self, server, session, envelope):
        if os.path.exists(os.path.join(folder, 'down')):
            return '451 come again later'
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        print(json.dumps({'to': envelope.rcpt_tos, 'from': envelope.mail_from, 'headers': [[name, str(value)] for name, value in mail.items()], 'text': mail.get_content()}), flush=True)
        return '250 OK'


def authenticate(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (b'openreadings', b'not-for-any-log-mail'))


options = {}
if tls:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(folder, 'cert.pem'), os.path.join(folder, 'key.pem'))
    options = {'tls_context': context, 'require_starttls': True}
else:
    options = {'authenticator': authenticate, 'auth_required': True, 'auth_require_tls': False}
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
server = loop.run_until_complete(loop.create_server(lambda: SMTP(Keep(), loop=loop, **options), '127.0.0.1', 0))
print(server.sockets[0].getsockname()[1], flush=True)
loop.run_forever()
