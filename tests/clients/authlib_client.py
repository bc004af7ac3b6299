"""The code flow, refresh and client credentials with Python's Authlib; the pages are filled in as a browser without scripts would."""
import html, json, os, re, sys
import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey, jwt

os.environ['AUTHLIB_INSECURE_TRANSPORT'] = '1'      # the tests' issuer is http on loopback
setting = json.load(sys.stdin)
meta = requests.get(setting['issuer'] + '/.well-known/openid-configuration').json()
redirect_uri, verifier, said = 'http://127.0.0.1:9/callback', 'x' * 60, {}

client = OAuth2Session(setting['client_id'], setting['client_secret'], scope='openid readings:read offline_access', redirect_uri=redirect_uri, code_challenge_method='S256')
url, state = client.create_authorization_url(meta['authorization_endpoint'], code_verifier=verifier, nonce='n-1')

browser = requests.Session()
def submit(page, **filled):
    fields = {}
    for tag in re.findall(r'<input [^>]*>', page.text):
        field = dict((name, html.unescape(value)) for name, value in re.findall(r'(\w+)="([^"]*)"', tag))
        fields[field['name']] = field.get('value', 'on')
    action = re.search(r'<form method="post" action="([^"]*)"', page.text).group(1)
    return browser.post(requests.compat.urljoin(page.url, action), data=fields | filled, allow_redirects=False)

answer = submit(browser.get(url), email=setting['email'], password=setting['password'])
answer = submit(browser.get(requests.compat.urljoin(url, answer.headers['Location'])), decision='allow')
token = client.fetch_token(meta['token_endpoint'], authorization_response=answer.headers['Location'], code_verifier=verifier, state=state)
said['scope'] = token['scope']
claims = jwt.decode(token['id_token'], JsonWebKey.import_key_set(requests.get(meta['jwks_uri']).json()),
                    claims_options={'iss': {'essential': True, 'value': setting['issuer']}, 'aud': {'essential': True, 'value': setting['client_id']}})
claims.validate()
said['nonce'] = claims['nonce']
said['userinfo'] = client.get(meta['userinfo_endpoint']).json()['sub']
said['refreshed'] = 'access_token' in client.refresh_token(meta['token_endpoint'], refresh_token=token['refresh_token'])
itself = OAuth2Session(setting['client_id'], setting['client_secret'], scope='readings:read', token_endpoint_auth_method='client_secret_post')
said['own'] = itself.fetch_token(meta['token_endpoint'], grant_type='client_credentials')['scope']
print(json.dumps(said))
