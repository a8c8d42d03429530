import urllib.error
import urllib.request
from upload import PATIENCE, body_of, headers, tell


def attempt(upload, url):
    request = urllib.request.Request(url, body_of(upload), headers, method='POST')
    if not upload['chunked']:
        request.add_header('Content-Length', str(upload['bytes']))
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


tell(attempt)
