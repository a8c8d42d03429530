import http.client
from urllib.parse import urlsplit
from upload import PATIENCE, body_of, headers, tell


def attempt(upload, url):
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=PATIENCE)
    try:
        if upload['chunked']:
            connection.request('POST', where.path, body_of(upload), {**headers, 'Transfer-Encoding': 'chunked'}, encode_chunked=True)
        else:
            connection.request('POST', where.path, body_of(upload), {**headers, 'Content-Length': str(upload['bytes'])})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


tell(attempt)
