import http.client
from urllib.parse import urlsplit
from upload import PATIENCE, chunked, headers, is_whole, pieces, size, tell, url, whole

where = urlsplit(url)


def attempt():
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=PATIENCE)
    try:
        if is_whole:
            connection.request('POST', where.path, whole(), headers)
        elif chunked:
            connection.request('POST', where.path, pieces(), {**headers, 'Transfer-Encoding': 'chunked'}, encode_chunked=True)
        else:
            connection.request('POST', where.path, pieces(), {**headers, 'Content-Length': str(size)})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


tell(attempt)
