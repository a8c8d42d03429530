import urllib.error
import urllib.request
from upload import PATIENCE, chunked, headers, is_whole, pieces, size, tell, url, whole


def attempt():
    request = urllib.request.Request(url, whole() if is_whole else pieces(), headers, method='POST')
    if not is_whole and not chunked:
        request.add_header('Content-Length', str(size))
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


tell(attempt)
